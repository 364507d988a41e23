import Coordinator
import Experts
import Foundation
import Kernels
import LinkEmulation
import Logging
import ModelFiles
import Placement
import Telemetry
import Transport

/// A coordinator of this process, and where its workers find it.
final class StormCluster: @unchecked Sendable {  // constant after `start`, parts guard themselves
  let settings: Settings
  let archive: ModelArchive
  let coordinator: ClusterCoordinator
  let hasKeys: Bool
  let folder: URL
  private let workerKey: URL
  private let coordinatorKey: PublicKey?
  private(set) var slots: [StormSlot] = []
  var ports: (control: Int, data: Int) { (settings.port, settings.port + 1) }

  init(_ settings: Settings, archive: ModelArchive, catalog: ExpertCatalog, hasKeys: Bool) throws {
    self.settings = settings
    self.archive = archive
    self.hasKeys = hasKeys
    folder = FileManager.default.temporaryDirectory
      .appending(path: "conclave-storm-\(UInt64.random(in: 0 ... .max))")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    workerKey = folder.appending(path: "worker.key")
    var logger = Logger(label: "storm") { StreamLogHandler.standardError(label: $0) }
    logger.logLevel = settings.isVerbose ? .notice : .error
    var options = ClusterOptions(
      listen: "tcp://127.0.0.1:\(settings.port)", expectedWorkers: settings.workers, logger: logger)
    options.dataPort = settings.port + 1
    options.replicas = settings.replicas
    options.verifyFraction = 0.01
    options.maxRows = 64
    options.joinTimeout = .seconds(60)
    options.workersEndWithIt = true
    if hasKeys {
      let pair = try KeyPair.random()
      let other = try KeyPair.random()
      try KeyPairFile.write(other, to: workerKey.path)
      options.security = .keys(pair, AllowList([other.publicKey: "worker"]))
      coordinatorKey = pair.publicKey
    } else {
      coordinatorKey = nil
    }
    coordinator = try ClusterCoordinator(
      ServedModel(digest: archive.digest, catalog: catalog),
      kernels: Kernels(team: ThreadTeam(threads: 1)), options: options)
  }

  /// Starts the workers and waits for them.
  func start() throws {
    for index in 0..<settings.workers {
      slots.append(try StormSlot(index, in: self))
    }
    try coordinator.gather()
  }

  /// The arguments of a worker's process.
  func workerArguments(_ index: Int, name: String, loadFault: FaultKind?) -> [String] {
    var arguments = [
      "worker", "--join", "tcp://\(StormSlot.host(index)):\(ports.control)", "--name", name,
      "--seed", "\(UInt64.random(in: 0 ... .max))",
    ]
    // Every other one has a file, the rest are sent their experts.
    if index % 2 == 0 { arguments += ["--model", archive.path] }
    if let loadFault { arguments += ["--load-fault", "\(loadFault)"] }
    if let coordinatorKey {
      arguments += ["--key", workerKey.path, "--coordinator-key", "\(coordinatorKey)"]
    }
    return arguments
  }

  /// Whether a worker of that name answers and has loaded what it shall.
  func isReady(_ name: String) -> Bool {
    coordinator.workers.contains {
      $0.name == name && $0.isReady && $0.lostReason == nil
        && $0.loadedGroups == $0.assignedGroups
    }
  }

  func end() {
    for slot in slots { slot.end() }
    coordinator.shutdown()
    try? FileManager.default.removeItem(at: folder)
  }
}

/// What a storm is told on the command line.
struct Settings: Sendable {
  var faults = 10_000
  var requests = 100_000
  var minutes = 120.0
  var workers = 5
  var replicas = 2
  var atOnce = 3
  var clients = 12
  var pause = 0.2
  var port = 24_000
  var seed: UInt64 = 1
  var isVerbose = false
  var only: FaultKind?

  init(_ arguments: Arguments) throws {
    seed = arguments.optional("--seed").flatMap { UInt64($0) } ?? .random(in: 0 ... .max)
    faults = arguments.number("--faults") ?? faults
    requests = arguments.number("--requests") ?? requests
    minutes = arguments.optional("--minutes").flatMap { Double($0) } ?? minutes
    workers = arguments.number("--workers") ?? workers
    replicas = arguments.number("--replicas") ?? replicas
    atOnce = arguments.number("--at-once") ?? atOnce
    clients = arguments.number("--clients") ?? clients
    pause = arguments.optional("--pause").flatMap { Double($0) } ?? pause
    port = arguments.number("--port") ?? port
    isVerbose = arguments.has("--verbose")
    if let name = arguments.optional("--only") {
      only = FaultKind.allCases.first { "\($0)" == name }
    }
  }
}

/// Words of the command line.
struct Arguments {
  let words: [String]

  subscript(_ name: String) -> String { optional(name) ?? "" }

  func optional(_ name: String) -> String? {
    guard let index = words.firstIndex(of: name), index + 1 < words.count else { return nil }
    return words[index + 1]
  }

  func number(_ name: String) -> Int? { optional(name).flatMap { Int($0) } }

  func has(_ name: String) -> Bool { words.contains(name) }
}

/// A small generator with a seed.
typealias SeededGenerator = LinkEmulation.SplitMix64
