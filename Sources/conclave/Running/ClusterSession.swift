import Coordinator
import Experts
import Foundation
import Kernels
import Logging
import Telemetry

/// The workers of a run: processes of this machine, or those that join an address.
final class ClusterSession {
  let coordinator: ClusterCoordinator
  /// Worker processes that this one started.
  let processes: LocalWorkers?

  /// Starts to listen, and the local workers if there are to be any; nil without workers.
  init?(
    _ arguments: ClusterArguments, _ compute: ComputeArguments, serving model: ServedModel,
    file path: String?, kernels: Kernels, maxRows: Int,
    heartbeat: Heartbeat? = nil
  ) throws {
    var options: ClusterOptions
    switch arguments.kind {
    case .none: return nil
    case .local(let count):
      options = ClusterOptions(
        listen: "tcp://127.0.0.1:*", expectedWorkers: count, logger: .command(.error))
      options.workersEndWithIt = true
    case .remote(let address, let count):
      options = ClusterOptions(listen: address, expectedWorkers: count, logger: .command(.info))
      options.security = try arguments.keys.security(logger: options.logger)
    }
    options.maxRows = maxRows
    options.heartbeat = heartbeat
    // As when a service manager ends it: requests under way are answered as far as that can be.
    options.onFenced = { [logger = options.logger] in
      logger.error("\(ClusterError.fenced)")
      _ = kill(getpid(), SIGTERM)
    }
    options.dataPort = arguments.dataPort
    options.joinTimeout = .seconds(arguments.joinTimeout)
    options.combineTimeout = .seconds(arguments.combineTimeout)
    options.recoveryTimeout = .seconds(arguments.recoveryTimeout)
    options.replicas = arguments.replicas
    options.polling = arguments.pollingArguments.polling
    if let path = arguments.routingTrace, let geometry = model.catalog?.geometry {
      options.routingTrace = try RoutingFile.read(path, for: geometry)
    }
    options.rebalanceInterval = arguments.rebalance.map { .seconds($0) }
    options.verifyFraction = arguments.verifyFraction ?? (arguments.replicas > 1 ? 0.001 : 0)
    coordinator = try ClusterCoordinator(model, kernels: kernels, options: options)
    guard case .local(let count) = arguments.kind else {
      processes = nil
      let workers = options.expectedWorkers == 1 ? "a worker" : "\(options.expectedWorkers) workers"
      Terminal.note("waiting for \(workers) at \(coordinator.endpoint)")
      return
    }
    let worker = Self.workerArguments(
      join: coordinator.endpoint, model: path, compute, share: count)
    processes = try LocalWorkers(count: count, executable: DemoModel.executable) { _ in worker }
  }

  /// The command line of a local worker, which shares this machine's memory with `share` - 1 others.
  ///
  /// Each has as many threads as the machine has processors for us: a token's experts are seldom
  /// spread evenly, and the threads of a worker that has nothing to do sleep.
  private static func workerArguments(
    join address: String, model: String?, _ compute: ComputeArguments, share: Int
  ) -> [String] {
    let memory = max(MachineMemory.forExperts / share, 1 << 20)
    return [
      "worker", "--join", address, "--end-with-input", "--threads", "\(compute.threadCount)",
      "--memory", "\(memory)",
    ] + (model.map { ["--model", $0] } ?? [])
      + (compute.kernels.map { ["--kernels", $0.rawValue] } ?? [])
  }

  /// Waits until all workers have said hello.
  func hear() throws -> [WorkerOffer] {
    try coordinator.hear(interruption: { [processes] in processes?.failure })
  }

  /// Waits until all workers are ready.
  func gather() throws {
    let bar = ProgressBar("loading experts on workers")
    defer { bar.finish() }
    try coordinator.gather(interruption: { [processes] in processes?.failure }) { workers in
      let assigned = workers.reduce(0) { $0 + $1.assignedGroups }
      let loaded = workers.reduce(0) { $0 + $1.loadedGroups }
      if assigned > 0 { bar.update(Double(loaded) / Double(assigned)) }
    }
    processes?.restartEnded()
  }

  /// Tells the workers that it is over, and ends those that this process started.
  func close() {
    coordinator.shutdown()
    processes?.terminate()
  }
}
