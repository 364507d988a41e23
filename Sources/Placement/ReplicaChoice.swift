/// Chooses for one call which of several holders computes each group.
///
/// A call takes as long as the worker that reads most for it, and every worker that is asked costs a
/// message; whichever holder is chosen, the answer is the same bits. Allocates nothing once it has
/// seen that many workers. Equal input gives equal choices.
package struct ReplicaChoice: Equatable, Sendable {
  /// What asking one more worker costs, in seconds.
  package static let messageSeconds = 20e-6

  /// By group the worker to ask; −1 where nothing is used or nobody holds it.
  package private(set) var chosen: [Int]
  private var loads: [Double] = []  // seconds of each worker
  private var slowest = 0.0
  private var askedCount = 0

  /// Makes room for layers of so many groups.
  package init(groupCount: Int) {
    chosen = Array(repeating: -1, count: groupCount)
  }

  /// Chooses.
  ///
  /// - Parameters:
  ///   - uses: By group, how many experts the call uses of it.
  ///   - holders: Who holds each group; those of this layer begin at `start`. Where a choice makes no
  ///     difference, the first one is taken.
  ///   - start: Index of the layer's first group in `holders`.
  ///   - secondsPerUse: By worker, how long it takes for one expert.
  ///   - messageSeconds: What asking one more worker costs.
  /// - Returns: What the call takes, in seconds.
  package mutating func choose(
    uses: [Int], holders: [[Int]], from start: Int, secondsPerUse: [Double],
    messageSeconds: Double = Self.messageSeconds
  ) -> Double {
    if loads.count != secondsPerUse.count {
      loads = Array(repeating: 0, count: secondsPerUse.count)
    }
    for worker in loads.indices { loads[worker] = 0 }
    slowest = 0
    askedCount = 0
    var openCount = 0
    for group in chosen.indices {
      chosen[group] = -1
      guard uses[group] > 0, let only = holders[start + group].first else { continue }
      if holders[start + group].count > 1 {
        openCount += 1
      } else {
        give(group, to: only, Double(uses[group]) * secondsPerUse[only])
      }
    }
    while openCount > 0 {
      openCount -= 1
      guard let group = mostUsed(uses, holders, start) else { break }
      var best = (worker: -1, seconds: Double.infinity, load: Double.infinity)
      for worker in holders[start + group] {
        let load = loads[worker] + Double(uses[group]) * secondsPerUse[worker]
        let seconds = max(slowest, load) + (loads[worker] > 0 ? 0 : messageSeconds)
        if (seconds, load) < (best.seconds, best.load) { best = (worker, seconds, load) }
      }
      guard best.worker >= 0 else { break }
      give(group, to: best.worker, best.load - loads[best.worker])
    }
    return slowest + Double(askedCount) * messageSeconds
  }

  private mutating func give(_ group: Int, to worker: Int, _ seconds: Double) {
    chosen[group] = worker
    if loads[worker] == 0 { askedCount += 1 }
    loads[worker] += seconds
    slowest = max(slowest, loads[worker])
  }

  /// The group that is used most of those that are not given yet.
  private func mostUsed(_ uses: [Int], _ holders: [[Int]], _ start: Int) -> Int? {
    var most: Int?
    for group in chosen.indices
    where uses[group] > 0 && chosen[group] < 0 && holders[start + group].count > 1 {
      if most.map({ uses[group] > uses[$0] }) ?? true { most = group }
    }
    return most
  }
}
