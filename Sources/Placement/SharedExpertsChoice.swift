public import Experts

/// Whether shared experts run faster on workers than on the coordinator, by what is known before
/// anything is loaded.
///
/// On the coordinator they run while routed experts are away, so they cost a layer nothing until they
/// take longer than a round trip and the slowest worker. On workers they add to the work of one worker
/// of each layer. What decides is the time of one row, if all experts are equally popular.
public struct SharedExpertsChoice: Sendable, Hashable {
  /// Seconds from dispatch to combined sum of all layers, with shared experts on the coordinator.
  public let coordinatorSeconds: Double
  /// The same with shared experts on workers; nil when they have no room.
  public let workerSeconds: Double?
  /// The share of its time that a row's experts gain by the move; below 0 when they lose.
  public var gain: Double {
    workerSeconds.map { 1 - $0 / max(coordinatorSeconds, 1e-9) } ?? -.infinity
  }
  /// Whether to let workers compute them.
  public var movesToWorkers: Bool { gain > Self.leastGain }

  /// Gain below which shared experts stay: the figures are estimates.
  public static let leastGain = 0.1

  /// Compares the two ways.
  ///
  /// - Parameters:
  ///   - geometry: The experts, shared ones included.
  ///   - workers: Who there is, with room and speed.
  ///   - replicas: Workers that hold each group.
  ///   - coordinatorBytesPerSecond: How fast the coordinator reads its memory.
  ///   - roundTripSeconds: How long the farthest worker's answer takes without any work.
  public init(
    _ geometry: ExpertGeometry, over workers: [WorkerCapacity], replicas: Int,
    coordinatorBytesPerSecond: Double, roundTripSeconds: Double
  ) {
    let plan = try? PlacementPlan.balanced(geometry, over: workers, epoch: 0, replicas: replicas)
    var onCoordinator = 0.0
    var onWorkers = 0.0
    for layer in geometry.layers {
      func slowest(withShared: Bool) -> Double {
        workers.map { worker in
          let weight = geometry.groups.reduce(0) { sum, group in
            let isAsked =
              plan?[layer, group].first == worker.worker
              && (withShared || !geometry.isShared(group))
            return sum + (isAsked ? geometry.readWeight(layer, group) : 0)
          }
          return weight / Double(geometry.expertCount) / worker.bytesPerSecond
        }.max() ?? 0
      }
      let size = geometry.sharedGroup.map { geometry.byteCount(layer, $0) } ?? 0
      onCoordinator += max(
        Double(size) / coordinatorBytesPerSecond, roundTripSeconds + slowest(withShared: false))
      onWorkers += roundTripSeconds + slowest(withShared: true)
    }
    coordinatorSeconds = onCoordinator
    workerSeconds = plan == nil ? nil : onWorkers
  }
}
