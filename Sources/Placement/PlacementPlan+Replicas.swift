public import Experts

extension PlacementPlan {
  /// Spreads all groups over `workers` with `replicas` holders each, all on distinct workers.
  ///
  /// The first holders are those of the plan with one replica, so the work is spread as there; the
  /// others lie where least is held so far.
  ///
  /// - Throws: `PlacementError` with the numbers when the experts, or that many copies, do not fit.
  public static func balanced(
    _ geometry: ExpertGeometry, over workers: [WorkerCapacity], epoch: UInt64, replicas: Int
  ) throws(PlacementError) -> PlacementPlan {
    let one = try balanced(geometry, over: workers, epoch: epoch)
    let all = one.repaired(geometry, over: workers, epoch: epoch, replicas: replicas)
    guard all.units.allSatisfy({ all[$0.layer, $0.group].count >= replicas }) else {
      throw .copiesTooLarge(
        copies: replicas, copyByteCount: geometry.byteCount,
        offeredByteCount: workers.reduce(0) { $0.addingWithoutOverflow($1.memoryByteCount) },
        workerCount: workers.count)
    }
    return all
  }

  /// The plan after some workers went: what they held is given to those that are left, as far as
  /// these have room, until every group has `replicas` holders again.
  ///
  /// A group stays in one place over all layers where it can. Where memory is short, copies that others
  /// hold often enough are forgotten.
  ///
  /// - Parameters:
  ///   - geometry: The experts.
  ///   - workers: Who is there.
  ///   - epoch: The new plan's epoch.
  ///   - replicas: Holders that each group shall have.
  ///   - loaded: What each worker holds already; nil is everything that the plan gives it.
  ///   - stalled: What workers shall hold and do not get on with: others are to hold it, too, so that
  ///     every group has somebody. Such workers get nothing new.
  /// - Returns: The new plan; what nobody has room for stays without a holder.
  public func repaired(
    _ geometry: ExpertGeometry, over workers: [WorkerCapacity], epoch: UInt64, replicas: Int,
    loaded: [WorkerID: Set<PlacementUnit>]? = nil, stalled: [WorkerID: Set<PlacementUnit>] = [:]
  ) -> PlacementPlan {
    var repair = PlacementRepair(self, geometry, workers, epoch: epoch)
    repair.loaded = loaded
    repair.stalled = stalled
    for count in 1...max(replicas, 1) {
      for group in geometry.groups { repair.fill(group, holders: count) }
    }
    return repair.plan
  }

  /// The plan after `worker` came, which takes work off the others as far as it has room: it
  /// becomes the preferred holder of whole groups while that makes the slowest worker faster.
  ///
  /// The former holders keep what they have, as replicas.
  public func relieved(
    by worker: WorkerID, _ geometry: ExpertGeometry, over workers: [WorkerCapacity], epoch: UInt64
  ) -> PlacementPlan {
    var repair = PlacementRepair(self, geometry, workers, epoch: epoch)
    while repair.moveGroup(to: worker) {}
    return repair.plan
  }
}

/// A plan under change, with what each worker holds and reads.
private struct PlacementRepair {
  private(set) var plan: PlacementPlan
  private let geometry: ExpertGeometry
  private let workers: [WorkerCapacity]
  var loaded: [WorkerID: Set<PlacementUnit>]?
  var stalled: [WorkerID: Set<PlacementUnit>] = [:]
  private var held: [WorkerID: Int] = [:]  // bytes
  /// What a row makes it read on average, of the groups that it is asked for first.
  private var preferred: [WorkerID: Double] = [:]

  init(
    _ old: PlacementPlan, _ geometry: ExpertGeometry, _ workers: [WorkerCapacity], epoch: UInt64
  ) {
    self.geometry = geometry
    self.workers = workers.sorted { $0.worker < $1.worker }
    plan = PlacementPlan(epoch: epoch, geometry: geometry)
    let here = Set(workers.map(\.worker))
    for unit in old.units {
      for holder in old[unit.layer, unit.group] where here.contains(holder) {
        add(holder, to: unit)
      }
    }
  }

  private func size(_ units: [PlacementUnit]) -> Int {
    units.reduce(0) { $0 + geometry.byteCount($1.layer, $1.group) }
  }

  private func units(of group: GroupIndex) -> [PlacementUnit] {
    geometry.layers.map { PlacementUnit(layer: $0, group: group) }
  }

  private mutating func add(_ worker: WorkerID, to unit: PlacementUnit, inFront: Bool = false) {
    let holders = plan[unit.layer, unit.group]
    let size = size([unit])
    held[worker, default: 0] += size
    if holders.isEmpty || inFront {
      let share = geometry.readWeight(unit.layer, unit.group)
      preferred[worker, default: 0] += share
      if let first = holders.first { preferred[first, default: 0] -= share }
    }
    plan[unit.layer, unit.group] = inFront ? [worker] + holders : holders + [worker]
  }

  /// Gives every layer's part of a group at least so many holders, where there is room.
  mutating func fill(_ group: GroupIndex, holders count: Int) {
    let lacking = units(of: group).filter { holderCount($0, ofFirst: count == 1) < count }
    guard !lacking.isEmpty else { return }
    // Shared experts are used by every row: one worker with those of all layers would be the slowest.
    if !geometry.isShared(group), let worker = best(for: lacking) {
      for unit in lacking { add(worker, to: unit) }
      return
    }
    for unit in lacking {
      if let worker = best(for: [unit]) ?? makeRoom(for: unit, sparing: count) {
        add(worker, to: unit)
      }
    }
  }

  /// How many shall hold a unit; where it is about the first one, without those that do not get on.
  private func holderCount(_ unit: PlacementUnit, ofFirst isFirst: Bool) -> Int {
    plan[unit.layer, unit.group].count { !isFirst || stalled[$0]?.contains(unit) != true }
  }

  /// Lets some worker forget copies of which others hold enough, so that it has room for `unit`.
  private mutating func makeRoom(for unit: PlacementUnit, sparing count: Int) -> WorkerID? {
    let size = size([unit])
    let holders = plan[unit.layer, unit.group]
    for worker in workers
    where !holders.contains(worker.worker) && stalled[worker.worker] == nil {
      var room = worker.memoryByteCount - held[worker.worker, default: 0]
      var forgotten: [PlacementUnit] = []
      for other in plan.units where room < size && isSpare(other, at: worker.worker, count) {
        forgotten.append(other)
        room += self.size([other])
      }
      guard room >= size else { continue }
      for other in forgotten {
        plan[other.layer, other.group].removeAll { $0 == worker.worker }
        held[worker.worker, default: 0] -= self.size([other])
      }
      return worker.worker
    }
    return nil
  }

  /// Whether `count` others have loaded what `worker` holds without being asked for it first.
  private func isSpare(_ unit: PlacementUnit, at worker: WorkerID, _ count: Int) -> Bool {
    let holders = plan[unit.layer, unit.group]
    guard holders.contains(worker), holders.first != worker else { return false }
    return holders.count { holder in
      holder != worker && loaded.map { $0[holder]?.contains(unit) == true } ?? true
    } >= count
  }

  /// Who has room, holds none of it and has least to read; among equals, who holds least of what
  /// its present holders hold, so that many share the work of one that goes.
  private func best(for units: [PlacementUnit]) -> WorkerID? {
    let size = size(units)
    let holders = Set(units.flatMap { plan[$0.layer, $0.group] })
    let fitting = workers.filter {
      !holders.contains($0.worker) && stalled[$0.worker] == nil
        && $0.memoryByteCount - held[$0.worker, default: 0] >= size
    }
    return fitting.min { left, right in
      let (a, b) = (seconds(left, size), seconds(right, size))
      if a != b { return a < b }
      return shared(left.worker, with: holders) < shared(right.worker, with: holders)
    }?.worker
  }

  private func seconds(_ worker: WorkerCapacity, _ size: Int) -> Double {
    Double(held[worker.worker, default: 0] + size) / worker.bytesPerSecond
  }

  /// Groups of the first layer that `worker` and one of `others` hold.
  private func shared(_ worker: WorkerID, with others: Set<WorkerID>) -> Int {
    let layer = LayerIndex(geometry.moeLayers.lowerBound)
    return geometry.groups.count {
      let holders = plan[layer, $0]
      return holders.contains(worker) && !others.isDisjoint(with: holders)
    }
  }

  /// Makes `worker` the preferred holder of one more group; false when that helps nobody.
  mutating func moveGroup(to worker: WorkerID) -> Bool {
    guard let newcomer = workers.first(where: { $0.worker == worker }),
      let slowest = workers.max(by: { reading($0) < reading($1) }), slowest.worker != worker
    else { return false }
    for group in geometry.groups {
      let moved = units(of: group).filter {
        let holders = plan[$0.layer, $0.group]
        return holders.first == slowest.worker && !holders.contains(worker)
      }
      let size = size(moved)
      let share = moved.reduce(0) { $0 + geometry.readWeight($1.layer, $1.group) }
      let after = (preferred[worker, default: 0] + share) / newcomer.bytesPerSecond
      guard size > 0, newcomer.memoryByteCount - held[worker, default: 0] >= size,
        after < reading(slowest)
      else { continue }
      for unit in moved { add(worker, to: unit, inFront: true) }
      return true
    }
    return false
  }

  private func reading(_ worker: WorkerCapacity) -> Double {
    preferred[worker.worker, default: 0] / worker.bytesPerSecond
  }
}

extension Int {
  /// The sum, or the largest number when that is larger.
  fileprivate func addingWithoutOverflow(_ other: Int) -> Int {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? .max : sum
  }
}
