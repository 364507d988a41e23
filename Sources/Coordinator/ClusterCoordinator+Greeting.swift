import Messages
public import Placement
import Telemetry
public import Transport

extension ClusterCoordinator {
  /// Waits until every expected worker has said hello, without answering: they say it again.
  ///
  /// - Parameter interruption: Asked several times a second for an error that makes waiting pointless.
  /// - Returns: What they offer, in the order in which they came.
  /// - Throws: `ClusterError` when too few come in time.
  public func hear(interruption: () -> (any Error)? = { nil }) throws -> [WorkerOffer] {
    let start = MonotonicTime.now
    var heard: [(incarnation: Incarnation, hello: Hello)] = []
    while heard.count < options.expectedWorkers {
      if let error = interruption() { throw error }
      if let (incarnation, hello) = try control.hear(timeout: .milliseconds(10)),
        !heard.contains(where: { $0.incarnation == incarnation })
      {
        heard.append((incarnation, hello))
      }
      guard let limit = options.joinTimeout, MonotonicTime.now - start > limit else { continue }
      throw ClusterError.tooFewWorkers(
        joined: heard.count, expected: options.expectedWorkers, within: limit)
    }
    return heard.enumerated().map { index, worker in
      WorkerOffer(
        capacity: worker.hello.capacity(as: WorkerID(UInt32(index))),
        coreCount: Int(worker.hello.cores))
    }
  }

  /// How far the workers are, as far as the kernel knows.
  public var distance: ConnectionDistance? { control.distance }
}

/// What a worker brings to a cluster.
public struct WorkerOffer: Sendable, Hashable {
  /// Room and speed, as one of its threads reads memory.
  public let capacity: WorkerCapacity
  /// Processors.
  public let coreCount: Int
}
