public import Experts

extension PlacementPlan {
  /// The plan after groups changed places, layer by layer, while that makes recorded tokens faster.
  ///
  /// A token's layer takes as long as the worker that reads most for it, and every worker that is
  /// asked costs a message: so popular groups are spread, and groups that tokens use together come
  /// together where that costs no time. Of a group with replicas the preferred one changes, which
  /// moves no bytes; a group without them moves to where there is room, or changes places with
  /// another one. Equal input gives equal plans.
  ///
  /// - Parameters:
  ///   - geometry: The experts, those of the recording.
  ///   - workers: Who there is, with room and speed.
  ///   - trace: Recorded tokens, of which some are looked at.
  ///   - messageSeconds: What asking one more worker costs.
  /// - Returns: A plan with the same holders of replicated groups and as many of all others.
  public func tuned(
    _ geometry: ExpertGeometry, over workers: [WorkerCapacity], for trace: RoutingTrace,
    messageSeconds: Double = 20e-6
  ) -> PlacementPlan {
    guard trace.fits(geometry), trace.rowCount > 0, workers.count > 1 else { return self }
    var plan = self
    let ordered = workers.sorted { $0.worker < $1.worker }
    var free = ordered.map { $0.memoryByteCount - byteCount(of: $0.worker, geometry) }
    for layer in geometry.layers {
      var tuner = LayerTuner(
        plan, layer, geometry, ordered, free: free, trace, messageSeconds: messageSeconds)
      tuner.improve()
      tuner.write(to: &plan)
      free = tuner.free
    }
    return plan
  }

  /// How long the experts of a recorded token take on average, in all layers together.
  ///
  /// - Parameters:
  ///   - geometry: The experts, those of the recording.
  ///   - workers: Who there is; of a group with replicas that holder counts which makes a token fastest.
  ///   - trace: Recorded tokens, of which some are looked at.
  ///   - messageSeconds: What asking one more worker costs.
  /// - Returns: Seconds.
  public func expectedSeconds(
    _ geometry: ExpertGeometry, over workers: [WorkerCapacity], for trace: RoutingTrace,
    messageSeconds: Double = 20e-6
  ) -> Double {
    guard trace.fits(geometry), trace.rowCount > 0 else { return 0 }
    let ordered = workers.sorted { $0.worker < $1.worker }
    return geometry.layers.reduce(0) { sum, layer in
      let tuner = LayerTuner(
        self, layer, geometry, ordered, free: [], trace, messageSeconds: messageSeconds)
      return sum + tuner.meanSeconds
    }
  }
}

/// One layer's groups and the recorded tokens that use them.
private struct LayerTuner {
  private let layer: LayerIndex
  private let workers: [WorkerCapacity]
  private let sizes: [Int]  // bytes of each group
  private let messageSeconds: Double
  /// Seconds that a worker reads for one expert.
  private let expertSeconds: [Double]
  /// Of each token: the groups that it uses, and how many experts of each, or the like.
  private let tokens: [[(group: Int, count: Int)]]
  /// Of each group: who holds it, as indices into `workers`, the preferred one first.
  private var holders: [[Int]]
  /// Bytes that each worker has left.
  private(set) var free: [Int]
  private var loads: [Double]

  /// Tokens that are looked at, and how often all groups are.
  private static let mostTokens = 192
  private static let mostPasses = 4

  init(
    _ plan: PlacementPlan, _ layer: LayerIndex, _ geometry: ExpertGeometry,
    _ workers: [WorkerCapacity], free: [Int], _ trace: RoutingTrace, messageSeconds: Double
  ) {
    self.layer = layer
    self.workers = workers
    self.free = free
    self.messageSeconds = messageSeconds
    sizes = geometry.groups.map { geometry.byteCount(layer, $0) }
    let expert = Double(sizes[0]) / Double(max(geometry.experts(in: GroupIndex(0)).count, 1))
    expertSeconds = workers.map { expert / $0.bytesPerSecond }
    holders = geometry.groups.map { group in
      plan[layer, group].compactMap { id in workers.firstIndex { $0.worker == id } }
    }
    loads = Array(repeating: 0, count: workers.count)
    let index = layer.rawValue - geometry.moeLayers.lowerBound
    let step = max(trace.rowCount / Self.mostTokens, 1)
    tokens = stride(from: 0, to: trace.rowCount, by: step).map { row in
      var counts: [Int: Int] = [:]
      for expert in trace.experts(row: row, layer: index) {
        counts[geometry.group(of: ExpertID(Int(expert))).rawValue, default: 0] += 1
      }
      if let group = geometry.sharedGroup, let expert = geometry.sharedExpert {
        counts[group.rawValue] = geometry.useCount(of: expert)
      }
      return counts.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }
  }

  /// Seconds of all tokens that use one of `groups`, where the first holders are asked.
  private mutating func seconds(using groups: [Int]) -> Double {
    var sum = 0.0
    for token in tokens where token.contains(where: { groups.contains($0.group) }) {
      var slowest = 0.0
      var asked = 0
      for (group, count) in token {
        guard let worker = holders[group].first else { continue }
        if loads[worker] == 0 { asked += 1 }
        loads[worker] += Double(count) * expertSeconds[worker]
        slowest = max(slowest, loads[worker])
      }
      for (group, _) in token {
        if let worker = holders[group].first { loads[worker] = 0 }
      }
      sum += slowest + Double(asked) * messageSeconds
    }
    return sum
  }

  /// Seconds of a token on average, where each call asks those holders that make it fastest.
  var meanSeconds: Double {
    var choice = ReplicaChoice(groupCount: holders.count)
    var uses = holders.map { _ in 0 }
    var sum = 0.0
    for token in tokens {
      for (group, count) in token { uses[group] = count }
      sum += choice.choose(
        uses: uses, holders: holders, from: 0, secondsPerUse: expertSeconds,
        messageSeconds: messageSeconds)
      for (group, _) in token { uses[group] = 0 }
    }
    return sum / Double(max(tokens.count, 1))
  }

  /// Changes places until no change helps.
  mutating func improve() {
    for _ in 0..<Self.mostPasses {
      var isBetter = false
      for group in holders.indices {
        let improved = holders[group].count > 1 ? prefer(group) : move(group) || exchange(group)
        isBetter = improved || isBetter
      }
      if !isBetter { return }
    }
  }

  /// Tries a change; keeps it if the tokens of `groups` become faster by more than rounding.
  private mutating func tryOut(_ groups: [Int], _ change: (inout [[Int]]) -> Void) -> Bool {
    let before = seconds(using: groups)
    let old = holders
    change(&holders)
    if seconds(using: groups) < before * (1 - 1e-9) { return true }
    holders = old
    return false
  }

  /// Asks another holder first.
  private mutating func prefer(_ group: Int) -> Bool {
    for place in holders[group].indices.dropFirst() {
      if tryOut([group], { $0[group].swapAt(0, place) }) { return true }
    }
    return false
  }

  /// Gives a group to another worker that has room.
  private mutating func move(_ group: Int) -> Bool {
    guard let holder = holders[group].first else { return false }
    let size = sizes[group]
    for worker in workers.indices where worker != holder && free[worker] >= size {
      guard tryOut([group], { $0[group] = [worker] }) else { continue }
      free[holder] += size
      free[worker] -= size
      return true
    }
    return false
  }

  /// Lets two groups change places.
  private mutating func exchange(_ group: Int) -> Bool {
    for other in holders.indices
    where other != group && sizes[other] == sizes[group] && holders[other].count == 1
      && holders[other] != holders[group]
    {
      if tryOut([group, other], { $0.swapAt(group, other) }) { return true }
    }
    return false
  }

  func write(to plan: inout PlacementPlan) {
    for group in holders.indices where !holders[group].isEmpty {
      plan[layer, GroupIndex(group)] = holders[group].map { workers[$0].worker }
    }
  }
}
