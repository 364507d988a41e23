import Coordinator
import Experts
import Foundation
import Kernels
import LinkEmulation
import Logging
import ModelFiles
import Placement
import Tensors
import TestSupport
import Testing
import Transport
import Worker

/// A fixture with routed experts.
struct TestModel: Sendable, CustomTestStringConvertible {
  let name: String
  let archive: ModelArchive
  let catalog: ExpertCatalog

  var testDescription: String { name }
  var served: ServedModel { ServedModel(digest: archive.digest, catalog: catalog) }
  var geometry: ExpertGeometry { catalog.geometry }

  /// Opens a fixture; with `movesShared` workers hold its shared experts, too.
  init(_ name: String, movesShared: Bool = false) throws {
    self.name = name
    archive = try ModelArchive.open(Fixtures.path(name))
    guard case .gguf(let metadata) = archive.container else { preconditionFailure(name) }
    func integer(_ key: String) throws -> Int { try metadata.integer("deepseek2." + key) }
    let shape = try ExpertShape(
      hiddenSize: integer("embedding_length"),
      expertIntermediateSize: integer("expert_feed_forward_length"),
      expertCount: integer("expert_count"), expertsPerToken: integer("expert_used_count"),
      moeLayers: integer("leading_dense_block_count")..<integer("block_count"),
      modelGroupCount: metadata.integer(ifPresent: "deepseek2.expert_group_count") ?? 1)
    let sharedCount = try metadata.integer(ifPresent: "deepseek2.expert_shared_count") ?? 0
    catalog = try ExpertCatalog(
      archive: archive, shape: shape,
      sharedIntermediateSize: movesShared ? sharedCount * shape.expertIntermediateSize : 0)
  }

  static let floats = "gguf/v2-236b-like.gguf"
  static let quantised = "gguf/k-quants-3-layers/Q4_K_M.gguf"
}

/// Kernels for tests: one thread, the fastest variant.
let testKernels = Kernels(team: ThreadTeam(threads: 1))

/// Lines that were logged, for tests that look at them.
final class LogLines: Sendable {
  private let lines = Locked<[String]>([])

  /// A logger that keeps its lines here.
  var logger: Logger {
    var logger = Logger(label: "test") { [lines] _ in Handler(lines: lines) }
    logger.logLevel = .trace
    return logger
  }

  /// Whether a line contains `text`.
  func contain(_ text: String) -> Bool { lines.value.contains { $0.contains(text) } }

  var all: [String] { lines.value }

  private struct Handler: LogHandler {
    let lines: Locked<[String]>
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.trace
    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }
    func log(event: LogEvent) { lines.change { $0.append("\(event.message)") } }
  }
}

/// A value under a lock.
final class Locked<Value: Sendable>: @unchecked Sendable {
  private let lock = NSLock()
  private var stored: Value

  init(_ value: Value) { stored = value }

  var value: Value { lock.withLock { stored } }
  func change(_ body: (inout Value) -> Void) { lock.withLock { body(&stored) } }
}

/// A worker daemon on a thread of the test process.
final class ThreadWorker: Sendable {
  let daemon: WorkerDaemon
  let log = LogLines()
  private let outcome = Locked<Result<Void, any Error>?>(nil)
  private let ended = DispatchSemaphore(value: 0)

  init(
    join endpoint: String, model: ModelArchive?, memory: Int = 1 << 30,
    change: (inout WorkerOptions) -> Void = { _ in }
  ) {
    var options = WorkerOptions(
      join: endpoint, memoryBudget: memory, kernels: testKernels, cores: 1, model: model,
      software: "test", logger: log.logger)
    options.measuresBandwidth = false
    options.retryPause = .milliseconds(50)
    change(&options)
    daemon = WorkerDaemon(options)
    let thread = Thread { [self] in
      let result = Result { try daemon.run() }
      outcome.change { $0 = result }
      ended.signal()
    }
    thread.start()
  }

  /// Whether `run` has returned.
  var hasEnded: Bool { outcome.value != nil }

  /// Waits for the end of `run`; nil when it does not end.
  func waitForEnd() -> Result<Void, any Error>? {
    guard ended.wait(timeout: .now() + 20) == .success else { return nil }
    ended.signal()
    return outcome.value
  }

  /// Ends the daemon and waits.
  func stop() {
    daemon.stop()
    _ = waitForEnd()
  }
}

/// A coordinator that listens on any free port of this machine.
func makeCoordinator(
  _ model: ServedModel, workers: Int, log: LogLines = LogLines(),
  change: (inout ClusterOptions) -> Void = { _ in }
) throws -> ClusterCoordinator {
  var options = ClusterOptions(
    listen: "tcp://127.0.0.1:*", expectedWorkers: workers, logger: log.logger)
  options.workersEndWithIt = true
  options.joinTimeout = .seconds(60)
  options.maxRows = 64
  change(&options)
  return try ClusterCoordinator(model, kernels: testKernels, options: options)
}

/// Leads to the data port of a coordinator from another address of this machine.
func dataRoute(of coordinator: ClusterCoordinator, host: String) -> LinkRoute? {
  TCPEndpoint(String(coordinator.dataEndpoint.dropFirst("tcp://".count))).map {
    LinkRoute(listen: TCPEndpoint(host: host, port: $0.port), target: $0)
  }
}

/// A seeded batch of rows for a layer.
func makeBatch(
  _ geometry: ExpertGeometry, _ layer: LayerIndex, rows: Int, seed: UInt64
) -> RoutedBatch {
  var random = SeededGenerator(state: seed)
  var x = FloatMatrix(rows: rows, columns: geometry.hiddenSize)
  for row in 0..<rows {
    var elements = x.mutableRow(row)
    for column in 0..<geometry.hiddenSize {
      elements[column] = Float.random(in: -2...2, using: &random)
    }
  }
  var batch = RoutedBatch(geometry: geometry, capacity: rows)
  batch.encode(x, rows: 0..<rows, layer: layer, with: testKernels)
  for row in 0..<rows {
    let experts = (0..<Int32(geometry.expertCount)).shuffled(using: &random)
      .prefix(geometry.expertsPerToken)
    let weights = experts.map { _ in Float.random(in: 0.01...1, using: &random) }
    batch.setExperts(row: row, experts: Array(experts).span, weights: weights.span)
  }
  return batch
}

/// The bits that a backend gives for a batch.
func answer(
  _ backend: any ExpertBackend, _ layer: LayerIndex, rows: Int, seed: UInt64
) throws -> [UInt32] {
  let batch = makeBatch(backend.geometry, layer, rows: rows, seed: seed)
  var sum = FloatMatrix(rows: rows, columns: backend.geometry.hiddenSize)
  try backend.combine(try backend.dispatch(batch, layer: layer), into: &sum)
  return bits(sum)
}

/// The bits of all elements.
func bits(_ matrix: borrowing FloatMatrix) -> [UInt32] {
  var bits: [UInt32] = []
  for row in 0..<matrix.rows {
    for column in 0..<matrix.columns { bits.append(matrix.row(row)[column].bitPattern) }
  }
  return bits
}

/// A small generator with a seed, so that a failure can be repeated.
typealias SeededGenerator = LinkEmulation.SplitMix64
