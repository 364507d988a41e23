internal import Experts
internal import Planning

/// The machines of a simulated cluster: what a step takes there, who has been lost, who was busy.
struct SimulatedMachines {
  private let cluster: ClusterDescription
  private let steps: StepModel
  /// The coordinator's side of dispatches; nil when no worker holds experts.
  private var dispatch: SimulatedDispatch?

  init(
    _ planner: Planner, _ cluster: ClusterDescription, _ faults: Faults, seed: UInt64
  ) throws(PlanRefusal) {
    self.cluster = cluster
    steps = try planner.stepModel(of: cluster, seed: seed)
    guard let geometry = steps.geometry, !cluster.workers.isEmpty else { return }
    let members = SimulatedMembers(
      geometry, cluster, planner, loadBytesPerSecond: faults.loadBytesPerSecond)
    dispatch = SimulatedDispatch(
      steps, geometry, members, faults, workers: cluster.workers.count)
  }

  /// Runs a step that begins at `time`.
  ///
  /// - Returns: Its seconds, and whether it came to its end: not when experts were missing for too long.
  mutating func run(
    _ shape: StepShape, at time: Double, random: inout SeededRandom
  ) -> (seconds: Double, isWhole: Bool) {
    guard dispatch != nil else {
      return (steps.sample(shape, random: &random) { _, _ in 0 }.seconds, true)
    }
    let layers = steps.geometry?.moeLayers.count ?? 0
    let trunk = steps.trunkSeconds(shape) / Double(max(layers, 1))
    var now = time
    for layer in 0..<layers {
      now += trunk
      let end = dispatch?.run(layer: layer, rowCount: shape.rowCount, at: now, random: &random)
      guard let end else { return ((dispatch?.now ?? now) - time, false) }
      now = end
    }
    return (now - time, true)
  }

  /// Messages to workers, and those that asked another worker because one was late.
  var messageCounts: (all: Int, hedges: Int) {
    (dispatch?.sendingCount ?? 0, dispatch?.hedgeCount ?? 0)
  }

  /// The figures of all workers.
  func workers(after seconds: Double) -> [SimulationReport.Worker] {
    cluster.workers.enumerated().map { index, worker in
      let capacity = max(worker.link.bytesPerSecond * seconds, 1e-9)
      return SimulationReport.Worker(
        name: worker.name, busyShare: (dispatch?.busy[index] ?? 0) / max(seconds, 1e-9),
        linkShares: (
          (dispatch?.sent[index] ?? 0) / capacity, (dispatch?.received[index] ?? 0) / capacity
        ),
        isLost: dispatch.map { !$0.members.isHere(index) } ?? false)
    }
  }
}
