import Experts
import Messages
package import Placement

/// A better placement that is being approached while the cluster serves.
package struct Retuning: Equatable {
  /// How it shall be once nobody asks former holders any more.
  let final: PlacementPlan
  /// When former holders may let go; nil while new ones load.
  var releaseAt: Duration?
}

extension Membership {
  /// Gain below which nothing is moved, as a share of the time that experts take.
  private static let leastGain = 0.03
  /// Groups that are loaded for one change: loading takes processors and links.
  private static let mostLoads = 16
  /// How long former holders keep what others have loaded: calls may be on their way to them.
  private static let grace: Duration = .seconds(5)

  /// Begins to place groups for tokens like the recorded ones, if that makes them faster.
  ///
  /// Nothing waits for it: new holders load beside their work, are asked from the moment at which
  /// they have loaded, and then former ones let go. The answer is the same bits all the while.
  package mutating func retune(for trace: RoutingTrace, at time: Duration) -> [Action] {
    guard phase == .serving, retuning == nil, let geometry = rules.geometry, let plan,
      trace.fits(geometry), isWhole
    else { return [] }
    let live = members.filter { $0.lostReason == nil }
    guard live.count > 1, live.allSatisfy({ $0.isAvailable && hasLoaded($0) }) else { return [] }
    let capacities = live.map { $0.capacity(as: $0.id) }
    let target = plan.tuned(geometry, over: capacities, for: trace)
      .copyingPopular(
        geometry, over: capacities, for: trace, replicas: rules.replicas, limit: Self.mostLoads)
    let next = epoch.rawValue + 1
    let (loading, final) = plan.transition(
      to: target, geometry, over: capacities, epoch: next, limit: Self.mostLoads)
    let before = plan.expectedSeconds(geometry, over: capacities, for: trace)
    let after = final.expectedSeconds(geometry, over: capacities, for: trace)
    guard before > 0, after < before * (1 - Self.leastGain) else { return [] }
    let count = loading.units.reduce(0) { sum, unit in
      let former = plan[unit.layer, unit.group]
      return sum + loading[unit.layer, unit.group].count { !former.contains($0) }
    }
    retuning = Retuning(final: final)
    epoch = Epoch(rawValue: next)
    let percent = Int(((1 - after / before) * 100).rounded())
    let note = Action.note(
      "Rebalancing: \(count) expert groups are loaded elsewhere; experts of recent tokens shall take "
        + "\(percent) % less time")
    return [note] + assign(loading) + settle(at: time)
  }

  /// Once all is loaded: the new holders are asked first.
  mutating func settle(at time: Duration) -> [Action] {
    guard var retuning, retuning.releaseAt == nil, let geometry = rules.geometry, let plan,
      members.allSatisfy({ $0.lostReason != nil || hasLoaded($0) })
    else { return [] }
    var ordered = PlacementPlan(epoch: plan.epoch, geometry: geometry)
    for unit in plan.units {
      let wanted = retuning.final[unit.layer, unit.group]
      let rest = plan[unit.layer, unit.group].filter { !wanted.contains($0) }
      ordered[unit.layer, unit.group] = wanted + rest
    }
    self.plan = ordered
    rosterVersion += 1
    retuning.releaseAt = time + Self.grace
    self.retuning = retuning
    return [.note("Rebalancing: the new holders are asked from now on")]
  }

  /// A while later: former holders let go.
  mutating func releaseFormerHolders(at time: Duration) -> [Action] {
    guard let limit = retuning?.releaseAt, time >= limit, let final = retuning?.final else {
      return []
    }
    retuning = nil
    epoch = Epoch(rawValue: epoch.rawValue + 1)
    return assign(final)
  }
}
