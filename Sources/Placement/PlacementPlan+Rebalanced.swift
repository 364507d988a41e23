public import Experts

extension PlacementPlan {
  /// The plan with further copies of the groups that recorded tokens use most, as far as there is
  /// memory; of each call, whichever holder makes it fastest computes a group.
  ///
  /// - Parameters:
  ///   - geometry: The experts, those of the recording.
  ///   - workers: Who there is, with room and speed.
  ///   - trace: Recorded tokens.
  ///   - replicas: Holders that every group keeps; what is beyond may go for groups that are used more.
  ///   - limit: Copies that nobody holds yet, at most.
  /// - Returns: The new plan; the first holders are the same.
  public func copyingPopular(
    _ geometry: ExpertGeometry, over workers: [WorkerCapacity], for trace: RoutingTrace,
    replicas: Int, limit: Int
  ) -> PlacementPlan {
    guard trace.fits(geometry), trace.rowCount > 0, workers.count > 1 else { return self }
    var plan = self
    for unit in units {
      plan[unit.layer, unit.group] = Array(self[unit.layer, unit.group].prefix(max(replicas, 1)))
    }
    let heat = Heat(geometry, trace)
    var room = Room(plan, geometry, workers)
    var newCount = 0
    for unit in units.sorted(by: { heat[$0] > heat[$1] }) where heat[unit] > 0 {
      let size = geometry.byteCount(unit.layer, unit.group)
      let kept = self[unit.layer, unit.group].dropFirst(plan[unit.layer, unit.group].count)
      if let holder = kept.first(where: { room.has(size, at: $0) }) {
        plan[unit.layer, unit.group].append(holder)
        room.take(size, at: holder)
      } else if newCount < limit, plan[unit.layer, unit.group].count <= max(replicas, 1) {
        let holders = plan[unit.layer, unit.group]
        // Where the layer's own groups are used least, a copy takes most off the others.
        let best = workers.sorted { $0.worker < $1.worker }
          .filter { !holders.contains($0.worker) && room.has(size, at: $0.worker) }
          .min {
            heat.load(of: $0, unit.layer, plan) < heat.load(of: $1, unit.layer, plan)
          }
        guard let best else { continue }
        plan[unit.layer, unit.group].append(best.worker)
        room.take(size, at: best.worker)
        newCount += 1
      }
    }
    return plan
  }

  /// A way from this plan to `target` that leaves no group without a holder who has loaded it.
  ///
  /// - Parameters:
  ///   - target: Where to go; moves for which there is no room are left out.
  ///   - geometry: The experts.
  ///   - workers: Who there is.
  ///   - epoch: The epoch of the new plans.
  ///   - limit: Groups to be loaded, at most.
  /// - Returns: The plan while groups are loaded, where former holders keep what moves, and the plan
  ///   after that.
  public func transition(
    to target: PlacementPlan, _ geometry: ExpertGeometry, over workers: [WorkerCapacity],
    epoch: UInt64, limit: Int
  ) -> (loading: PlacementPlan, final: PlacementPlan) {
    var loading = PlacementPlan(epoch: epoch, geometry: geometry)
    for unit in units {
      // Copies that nobody shall have make room; the first holder stays until another has loaded.
      let wanted = target[unit.layer, unit.group]
      loading[unit.layer, unit.group] = self[unit.layer, unit.group].enumerated()
        .filter { $0.offset == 0 || wanted.contains($0.element) }.map(\.element)
    }
    var final = loading
    var room = Room(loading, geometry, workers)
    var newCount = 0
    for unit in units {
      let size = geometry.byteCount(unit.layer, unit.group)
      let wanted = target[unit.layer, unit.group]
      let missing = wanted.filter { !loading[unit.layer, unit.group].contains($0) }
      guard !wanted.isEmpty, newCount + missing.count <= limit,
        missing.allSatisfy({ room.has(size, at: $0) })
      else { continue }
      loading[unit.layer, unit.group] += missing
      missing.forEach { room.take(size, at: $0) }
      newCount += missing.count
      final[unit.layer, unit.group] = wanted
    }
    return (loading, final)
  }
}

/// How often the groups of each layer are used, by recorded tokens.
private struct Heat {
  private let uses: [Double]  // layers × groups
  private let geometry: ExpertGeometry

  init(_ geometry: ExpertGeometry, _ trace: RoutingTrace) {
    self.geometry = geometry
    let shared = geometry.sharedExpert.map { trace.rowCount * geometry.useCount(of: $0) } ?? 0
    uses = trace.uses.flatMap { experts in
      geometry.groups.map { group in
        if geometry.isShared(group) { return Double(shared) }
        return geometry.experts(in: group).reduce(0) { $0 + Double(experts[$1]) }
      }
    }
  }

  subscript(_ unit: PlacementUnit) -> Double {
    uses[
      (unit.layer.rawValue - geometry.moeLayers.lowerBound) * geometry.placedGroupCount
        + unit.group.rawValue]
  }

  /// What a worker reads in a layer, if holders share the work of a group.
  func load(of worker: WorkerCapacity, _ layer: LayerIndex, _ plan: PlacementPlan) -> Double {
    geometry.groups.reduce(0) { sum, group in
      let holders = plan[layer, group]
      guard holders.contains(worker.worker) else { return sum }
      return sum + self[PlacementUnit(layer: layer, group: group)] / Double(holders.count)
    } / worker.bytesPerSecond
  }
}

/// Bytes that workers have left.
private struct Room {
  private var free: [WorkerID: Int] = [:]

  init(_ plan: PlacementPlan, _ geometry: ExpertGeometry, _ workers: [WorkerCapacity]) {
    for worker in workers {
      free[worker.worker] = worker.memoryByteCount - plan.byteCount(of: worker.worker, geometry)
    }
  }

  func has(_ size: Int, at worker: WorkerID) -> Bool { free[worker, default: 0] >= size }

  mutating func take(_ size: Int, at worker: WorkerID) { free[worker, default: 0] -= size }
}
