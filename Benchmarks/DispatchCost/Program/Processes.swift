import CBareLinks
import Coordinator
import Experts
import Foundation
import Kernels
import Logging
import ModelFiles
import Tensors
import Worker

/// This program as another process.
func start(_ arguments: [String]) throws -> Process {
  let process = Process()
  process.executableURL = URL(filePath: CommandLine.arguments[0])
  process.arguments = ["answer"] + arguments
  process.standardInput = FileHandle.nullDevice
  try process.run()
  return process
}

/// A real coordinator, and a real worker that computes nothing.
final class EmptyCluster {
  private let coordinator: ClusterCoordinator
  private let process: Process
  let ask: () throws -> Void

  var worker: pid_t { process.processIdentifier }

  init(_ model: EmptyModel, spin: Int?, _ log: Logger) throws {
    let kernels = Kernels(team: ThreadTeam(threads: 1))
    var options = ClusterOptions(listen: "tcp://127.0.0.1:*", expectedWorkers: 1, logger: log)
    options.workersEndWithIt = true
    options.joinTimeout = .seconds(30)
    options.maxRows = 1
    if let spin { options.polling = .microseconds(spin) }
    coordinator = try ClusterCoordinator(
      ServedModel(digest: model.archive.digest, catalog: model.catalog), kernels: kernels,
      options: options)
    process = try start([
      "worker", coordinator.endpoint, model.path, spin.map(String.init) ?? "-",
    ])
    try coordinator.gather()
    guard let experts = coordinator.experts else { throw CocoaError(.featureUnsupported) }
    let asking = Asking(experts, model, kernels)
    ask = { try asking.ask() }
  }

  func end() {
    coordinator.shutdown()
    process.waitUntilExit()
  }
}

/// Calls of two layers in turn, as steps of a model with two layers.
private final class Asking {
  private let experts: RemoteExperts
  private let first: RoutedBatch
  private let second: RoutedBatch
  private var sum: FloatMatrix
  private var count = 0

  init(_ experts: RemoteExperts, _ model: EmptyModel, _ kernels: Kernels) {
    self.experts = experts
    first = model.batch(0, kernels)
    second = model.batch(1, kernels)
    sum = FloatMatrix(rows: 1, columns: model.geometry.hiddenSize)
  }

  func ask() throws {
    count += 1
    let ticket =
      count % 2 == 1
      ? try experts.dispatch(first, layer: LayerIndex(0))
      : try experts.dispatch(second, layer: LayerIndex(1))
    try experts.combine(ticket, into: &sum)
  }
}

/// Bare connections to another process.
@safe
final class BareLinks {
  private let process: Process
  private let zeroMQ: OpaquePointer
  let kinds: [Kind]

  init(_ frames: FrameSizes) throws {
    var sizes = bare_sizes()
    sizes.question = (frames.question[0], frames.question[1], frames.question[2])
    sizes.answer = (frames.answer[0], frames.answer[1], frames.answer[2])
    var ports: (Int32, Int32) = (0, 0)
    guard let link = unsafe bare_zeromq_listen(&ports.0) else {
      throw CocoaError(.featureUnsupported)
    }
    unsafe zeroMQ = link
    let listener = unsafe bare_tcp_listen(&ports.1)
    process = try start(["bare", "\(ports.0)", "\(ports.1)"])
    let connection = bare_tcp_accept(listener)
    func check(_ code: Int32) throws {
      guard code == 0 else { throw CocoaError(.featureUnsupported) }
    }
    let worker = process.processIdentifier
    kinds = [
      Kind(name: "bare ZeroMQ", worker: worker) { [sizes] in
        var sizes = sizes
        try check(unsafe bare_zeromq_ask(link, &sizes))
      },
      Kind(name: "TCP, sleeping", worker: worker) { [sizes] in
        var sizes = sizes
        try check(unsafe bare_tcp_ask(connection, &sizes, 0))
      },
      Kind(name: "TCP, polling", worker: worker) { [sizes] in
        var sizes = sizes
        try check(unsafe bare_tcp_ask(connection, &sizes, 1))
      },
    ]
  }

  func end() {
    process.terminate()
    process.waitUntilExit()
    unsafe bare_zeromq_close(zeroMQ)
  }
}

/// The answering side.
enum WorkerProcess {
  static func run(_ arguments: [String]) throws {
    if arguments[0] == "bare", let zeroMQ = Int32(arguments[1]), let tcp = Int32(arguments[2]) {
      let thread = Thread { _ = bare_tcp_answer(tcp) }
      thread.start()
      _ = bare_zeromq_answer(zeroMQ)
      return
    }
    let log = Logger(label: "worker", factory: { _ in SwiftLogNoOpLogHandler() })
    var options = WorkerOptions(
      join: arguments[1], memoryBudget: 1 << 30, kernels: Kernels(team: ThreadTeam(threads: 1)),
      cores: 1, model: try ModelArchive.open(arguments[2]), software: "benchmark", logger: log)
    options.measuresBandwidth = false
    options.answersZeros = true
    if let spin = Int(arguments[3]) { options.polling = .microseconds(spin) }
    try WorkerDaemon(options).run()
  }
}
