internal import Planning

/// The machines of a simulated cluster: what a step takes there, who has been lost, who was busy.
struct SimulatedMachines {
  private let planner: Planner
  private let faults: Faults
  private let seed: UInt64
  private let names: [String]
  private var cluster: ClusterDescription
  private var steps: StepModel
  private var indices: [Int]  // of the present workers, among all
  private var pending: [Faults.Loss]
  private var lost: Set<Int> = []
  private var busy: [Double]
  private var sent: [Double]
  private var received: [Double]
  private let bandwidths: [Double]

  init(
    _ planner: Planner, _ cluster: ClusterDescription, _ faults: Faults, seed: UInt64
  ) throws(PlanRefusal) {
    self.planner = planner
    self.cluster = cluster
    self.faults = faults
    self.seed = seed
    steps = try planner.stepModel(of: cluster, seed: seed)
    names = cluster.workers.map(\.name)
    bandwidths = cluster.workers.map(\.link.bytesPerSecond)
    indices = Array(cluster.workers.indices)
    pending = faults.losses.filter { cluster.workers.indices.contains($0.worker) }
      .sorted { ($0.time, $0.worker) < ($1.time, $1.worker) }
    busy = Array(repeating: 0, count: names.count)
    sent = busy
    received = busy
  }

  /// The time of a step, with late replies as chance has it.
  mutating func run(_ shape: StepShape, random: inout SeededRandom) -> Double {
    let (share, delay) = (faults.lateShare, faults.lateSeconds)
    let time = steps.sample(shape, random: &random) { _, random in
      share > 0 && random.unit() <= share ? delay : 0
    }
    for (place, worker) in indices.enumerated() {
      busy[worker] += time.busySeconds[place]
      sent[worker] += time.sentByteCounts[place]
      received[worker] += time.receivedByteCounts[place]
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
    guard let place = indices.firstIndex(of: loss.worker) else { return 0 }
    var smaller = cluster
    smaller.workers.remove(at: place)
    // Without room for the experts, requests wait for the worker to come back with empty memory.
    guard let changed = try? planner.stepModel(of: smaller, seed: seed) else {
      return faults.detectionSeconds + loadingSeconds(steps.heldByteCount(of: place))
    }
    let missing = steps.unreplicatedByteCount(of: place)
    cluster = smaller
    steps = changed
    indices.remove(at: place)
    lost.insert(loss.worker)
    let loaders = Double(max(indices.count, 1))
    return faults.detectionSeconds + loadingSeconds(missing) / loaders
  }

  private func loadingSeconds(_ byteCount: Int) -> Double {
    Double(byteCount) / faults.loadBytesPerSecond
  }

  /// The figures of all workers.
  func workers(after seconds: Double) -> [SimulationReport.Worker] {
    names.indices.map { index in
      let capacity = max(bandwidths[index] * seconds, 1e-9)
      return SimulationReport.Worker(
        name: names[index], busyShare: busy[index] / max(seconds, 1e-9),
        linkShares: (sent[index] / capacity, received[index] / capacity),
        isLost: lost.contains(index))
    }
  }
}
