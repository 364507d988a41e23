internal import Planning

/// The machines of a simulated cluster: what a step takes there, who has been lost, who was busy.
struct SimulatedMachines {
  private let planner: Planner
  private let faults: Faults
  private let cluster: ClusterDescription
  private var steps: StepModel
  private var pending: [Faults.Loss]
  private var lost: Set<Int> = []
  /// Whether experts are missing and nobody has room for them.
  private(set) var isBroken = false
  private var busy: [Double]
  private var sent: [Double]
  private var received: [Double]

  init(
    _ planner: Planner, _ cluster: ClusterDescription, _ faults: Faults, seed: UInt64
  ) throws(PlanRefusal) {
    self.planner = planner
    self.cluster = cluster
    self.faults = faults
    steps = try planner.stepModel(of: cluster, seed: seed)
    pending = faults.losses.filter { cluster.workers.indices.contains($0.worker) }
      .sorted { ($0.time, $0.worker) < ($1.time, $1.worker) }
    busy = Array(repeating: 0, count: cluster.workers.count)
    sent = busy
    received = busy
  }

  /// The time of a step, with late replies as chance has it.
  mutating func run(_ shape: StepShape, random: inout SeededRandom) -> Double {
    let (share, delay) = (faults.lateShare, faults.lateSeconds)
    let time = steps.sample(shape, random: &random) { _, random in
      share > 0 && random.unit() <= share ? delay : 0
    }
    for worker in busy.indices {
      busy[worker] += time.busySeconds[worker]
      sent[worker] += time.sentByteCounts[worker]
      received[worker] += time.receivedByteCounts[worker]
    }
    return time.seconds
  }

  /// Lets workers die whose time has come; those that are left load what only they had.
  ///
  /// - Parameter time: Seconds after the start.
  /// - Returns: Seconds that requests wait; nil when nobody died.
  mutating func handleLosses(at time: Double) -> Double? {
    guard let loss = pending.first, loss.time <= time else { return nil }
    pending.removeFirst()
    guard lost.insert(loss.worker).inserted else { return 0 }
    guard let repair = planner.repaired(steps, without: lost) else {
      isBroken = true
      return faults.detectionSeconds
    }
    steps = repair.steps
    return faults.detectionSeconds + Double(repair.loadedByteCount) / faults.loadBytesPerSecond
  }

  /// The figures of all workers.
  func workers(after seconds: Double) -> [SimulationReport.Worker] {
    cluster.workers.enumerated().map { index, worker in
      let capacity = max(worker.link.bytesPerSecond * seconds, 1e-9)
      return SimulationReport.Worker(
        name: worker.name, busyShare: busy[index] / max(seconds, 1e-9),
        linkShares: (sent[index] / capacity, received[index] / capacity),
        isLost: lost.contains(index))
    }
  }
}
