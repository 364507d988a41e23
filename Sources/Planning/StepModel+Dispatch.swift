package import Experts
internal import Placement

/// The experts that the rows of one dispatched call use, by chance.
package struct DrawnCall: Sendable {
  /// The layer among those with experts.
  package let layer: Int
  /// Rows of the call.
  package let rowCount: Int
  /// By group, how many experts the rows use of it, as the coordinator counts them.
  package fileprivate(set) var uses: [Int]
  /// The groups that are used.
  package fileprivate(set) var groups = GroupSet()
  fileprivate var drawnCount = 0
  fileprivate var experts: [Int] = []  // (drawnCount, experts per token)
}

/// What one worker's part of a call costs.
package struct ShareCost: Sendable {
  /// Uses of experts.
  package let entryCount: Int
  /// Partial sums of routed groups.
  package let partialCount: Int
  /// Seconds of computing, on a machine of its own.
  package let busySeconds: Double
  /// Bytes of the dispatch.
  package let sentByteCount: Double
  /// Bytes of the reply.
  package let receivedByteCount: Double
  let share: CallTime.Share
}

/// How long a share takes on its way, one thing after another.
package struct SharePath: Sendable {
  /// Seconds until it is there.
  package let outSeconds: Double
  /// Seconds of computing, beside what else its machine does for the call.
  package let computeSeconds: Double
  /// Seconds until the reply is back.
  package let backSeconds: Double
}

extension StepModel {
  /// Draws the experts of `rowCount` rows in the layer with index `layer` among those with experts.
  package func draw(_ layer: Int, rowCount: Int, random: inout SeededRandom) -> DrawnCall {
    var call = DrawnCall(layer: layer, rowCount: rowCount, uses: [])
    guard let draws, let geometry = model.experts else { return call }
    call.uses = geometry.groups.map { _ in 0 }
    var scratch = draws.makeScratch()
    call.drawnCount = min(rowCount, Self.mostDrawnRows)
    for _ in 0..<call.drawnCount {
      for expert in draws.draw(layer: layer, random: &random, scratch: &scratch) {
        call.experts.append(expert)
        let group = geometry.group(of: ExpertID(expert))
        call.uses[group.rawValue] += 1
        call.groups.insert(group)
      }
    }
    if let group = geometry.sharedGroup, let expert = geometry.sharedExpert {
      call.uses[group.rawValue] = call.drawnCount * geometry.useCount(of: expert)
      call.groups.insert(group)
    }
    return call
  }

  /// What `groups` of a call cost a worker.
  package func cost(of groups: GroupSet, in call: DrawnCall, on worker: Int) -> ShareCost {
    var share = CallTime.Share(worker: worker)
    guard let geometry = model.experts, call.drawnCount > 0 else {
      return ShareCost(share)
    }
    let width = geometry.expertsPerToken
    var isUsed = Array(repeating: false, count: geometry.expertCount)
    for row in 0..<call.drawnCount {
      var last = -1
      for expert in call.experts[row * width..<(row + 1) * width] {
        let group = geometry.group(of: ExpertID(expert))
        guard groups.contains(group) else { continue }
        share.entries += 1
        if !isUsed[expert] { share.distinct += 1 }
        isUsed[expert] = true
        if last < 0 { share.rows += 1 }
        if last != group.rawValue { share.partials += 1 }
        last = group.rawValue
      }
    }
    share.entries = share.entries * call.rowCount / call.drawnCount
    share.rows = share.rows * call.rowCount / call.drawnCount
    share.partials = share.partials * call.rowCount / call.drawnCount
    if let group = geometry.sharedGroup, groups.contains(group) {
      share.rows = call.rowCount
      share.sharedRows = call.rowCount
    }
    addBytes(&share, call.layer)
    share.busy = time(share, call.layer, on: cluster.workers[worker]).seconds
    return ShareCost(share)
  }

  /// How long shares that are sent together take, while the coordinator computes for `own` seconds.
  package func paths(of costs: [ShareCost], beside own: Double) -> [SharePath] {
    var work = placement.processCounts.map { _ in 0.0 }
    work[0] = own
    for cost in costs { work[placement.machines[cost.share.worker]] += cost.busySeconds }
    let shares = costs.map(\.share)
    return shares.map { share in
      let path = path(of: share, among: shares, work)
      let half = path.roundTrip / 2
      return SharePath(
        outSeconds: half + path.software + sendSeconds(share, among: shares),
        computeSeconds: path.compute,
        backSeconds: half + path.transfer - sendSeconds(share, among: shares))
    }
  }

  /// Seconds of the shared experts of one layer on the coordinator.
  package func sharedSeconds(rowCount: Int) -> Double {
    (cluster.coordinator.time(model[.sharedExperts], rows: Double(rowCount))
      * (1 / Double(max(model.mixtureLayerCount, 1)))).seconds
  }

  /// Seconds of everything but the experts.
  package func trunkSeconds(_ step: StepShape) -> Double { trunk(step).seconds }

  /// The experts that workers hold; nil for a dense model.
  package var geometry: ExpertGeometry? { model.experts }
}

extension ShareCost {
  fileprivate init(_ share: CallTime.Share) {
    self.share = share
    entryCount = share.entries + share.sharedRows
    partialCount = share.partials
    busySeconds = share.busy
    sentByteCount = share.sent
    receivedByteCount = share.received
  }
}

extension DrawnCall {
  /// A call of no rows.
  package static let none = DrawnCall(layer: 0, rowCount: 0, uses: [])
}

extension StepModel {
  /// Bytes of weights that each worker reads per second.
  package var workerSpeeds: [Double] { cluster.workers.map(\.bytesPerSecond) }
}
