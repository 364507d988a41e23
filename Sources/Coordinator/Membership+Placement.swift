import Experts
import Messages
package import Placement

// MARK: - The first placement

extension Membership {
  /// Everyone is here: decides who holds what.
  mutating func assign() -> [Action] {
    epoch = firstEpoch
    phase = .loading
    guard let geometry = rules.geometry else { return startIdle() }
    do throws(PlacementError) {
      let plan = try firstPlan(geometry)
      return assign(plan)
    } catch {
      phase = .failed(.placement(error.description))
      let refusal = ControlMessage.Body.refusal(Refusal(.memory, error.description))
      return members.map { .send(refusal, to: $0.incarnation) }
    }
  }

  /// A plan that depends on who is here but not on who came first: after a restart everybody gets
  /// what they still have in memory.
  private func firstPlan(_ geometry: ExpertGeometry) throws(PlacementError) -> PlacementPlan {
    let ordered = members.sorted { ($0.hello.name, $0.id) < ($1.hello.name, $1.id) }
    let capacities = ordered.enumerated().map { rank, member in
      member.capacity(as: WorkerID(UInt32(rank)))
    }
    var plan = try PlacementPlan.balanced(
      geometry, over: capacities, epoch: epoch.rawValue, replicas: rules.replicas)
    if let trace = rules.routingTrace {
      plan = plan.tuned(geometry, over: capacities, for: trace)
    }
    for unit in plan.units {
      plan[unit.layer, unit.group] = plan[unit.layer, unit.group].map {
        ordered[Int($0.rawValue)].id
      }
    }
    return plan
  }

  /// A dense model: workers have nothing to hold, but their links can be measured.
  private mutating func startIdle() -> [Action] {
    [.note("The model has no routed experts; the workers stay idle")]
      + members.indices.map { sendAssignment($0) }
  }

  /// Makes `plan` the plan, and tells the members whose part of it is new.
  mutating func assign(_ plan: PlacementPlan) -> [Action] {
    self.plan = plan
    rosterVersion += 1
    var actions: [Action] = []
    for index in members.indices where members[index].isAvailable {
      let units = plan.units(of: members[index].id).sorted {
        ($0.layer, $0.group) < ($1.layer, $1.group)
      }
      let isNew = members[index].epoch.rawValue == 0
      guard isNew || units != members[index].units else { continue }
      members[index].units = units
      members[index].loaded.formIntersection(units)
      actions.append(sendAssignment(index))
    }
    return actions
  }

  private mutating func sendAssignment(_ index: Int) -> Action {
    let member = members[index]
    if member.epoch.rawValue == 0 { members[index].epoch = epoch }
    members[index].assignedEpoch = epoch
    let hasFile = member.hello.modelDigest != nil && rules.geometry != nil
    let origin: Assignment.Origin = hasFile ? .ownFile : .transfer
    return .send(
      .assignment(Assignment(origin: origin, units: member.units)), to: member.incarnation)
  }

  /// Makes up for messages that a broken connection took along: an assignment that did not arrive is
  /// sent again, and who reports that it has loaded everything need not have said so.
  mutating func makeUp(
    _ index: Int, _ progress: Progress, of epoch: Epoch, at time: Duration
  ) -> [Action] {
    guard members[index].assignedEpoch.rawValue > 0 else { return [] }
    // Who has something to hold and waits cannot have heard of it, whatever epoch it reports.
    let isIgnorant = progress.state == .waiting && !members[index].units.isEmpty
    guard epoch < members[index].assignedEpoch || isIgnorant else {
      members[index].outdatedSince = nil
      let count = members[index].units.count
      guard progress.state == .serving, progress.loadedGroups == count,
        progress.assignedGroups == count
      else { return [] }
      return handle(
        Ready(residentBytes: progress.residentBytes, loadedGroups: count), index, of: epoch)
        + settle(at: time)
    }
    let since = members[index].outdatedSince ?? time
    members[index].outdatedSince = since
    guard time - since >= .seconds(1) else { return [] }
    members[index].outdatedSince = time
    return [sendAssignment(index)]
  }

  mutating func handle(_ ready: Ready, _ index: Int, of epoch: Epoch) -> [Action] {
    guard phase == .loading || phase == .serving, ready.loadedGroups == members[index].units.count,
      epoch >= members[index].assignedEpoch,
      !members[index].isReady || members[index].loaded.count != ready.loadedGroups
    else { return [] }
    members[index].isReady = true
    members[index].loaded = Set(members[index].units)
    members[index].progress?.residentBytes = ready.residentBytes
    members[index].progress?.loadedGroups = ready.loadedGroups
    rosterVersion += 1
    let note = Action.note(
      "\(members[index].label) holds \(ready.loadedGroups) expert groups, "
        + "\(ready.residentBytes >> 20) MiB")
    guard phase == .loading else { return [note] + rebalance() }
    if members.allSatisfy(\.isReady) { phase = .serving }
    return [note]
  }
}

// MARK: - Changes while serving

extension Membership {
  /// Whether what that member shall hold is loaded.
  func hasLoaded(_ member: Member) -> Bool {
    member.isReady && member.loaded.count == member.units.count
  }

  /// Who has loaded a unit: as the plan prefers, then others that have not let go of it.
  private func holders(of unit: PlacementUnit, _ live: [Member]) -> [WorkerID] {
    let wanted = plan?[unit.layer, unit.group] ?? []
    let staying = wanted.filter { id in
      live.contains { $0.id == id && $0.isAvailable && $0.loaded.contains(unit) }
    }
    return staying + live.filter { $0.loaded.contains(unit) && !staying.contains($0.id) }.map(\.id)
  }

  /// Whether every group has somebody who has loaded it.
  var isWhole: Bool {
    let live = members.filter { $0.lostReason == nil && $0.isReady }
    return plan?.units.allSatisfy { !holders(of: $0, live).isEmpty } ?? true
  }

  /// Who answers for what now.
  package var roster: Roster {
    var roster = Roster()
    let live = members.filter { $0.lostReason == nil && $0.isReady }
    roster.workers = live.map {
      Roster.Worker(
        id: $0.id, incarnation: $0.incarnation, epoch: $0.epoch, label: $0.label,
        bytesPerSecond: $0.capacity(as: $0.id).bytesPerSecond)
    }
    roster.holders = plan?.units.map { holders(of: $0, live) } ?? []
    return roster
  }

  /// Gives a worker that joined late something to do: what it held before, what is missing, or
  /// a part of the others' work.
  mutating func employ(_ index: Int) -> [Action] {
    members[index].wantsWork = true
    retuning = nil
    guard let geometry = rules.geometry else {
      epoch = Epoch(rawValue: epoch.rawValue + 1)
      return [sendAssignment(index)]
    }
    let member = members[index]
    if var plan, let former = history.takeHoldings(of: member.hello.name) {
      let size = former.reduce(0) { $0 + geometry.byteCount($1.unit.layer, $1.unit.group) }
      if size <= member.hello.memoryBudget {
        for holding in former {
          let others = plan[holding.unit.layer, holding.unit.group]
          plan[holding.unit.layer, holding.unit.group] =
            holding.isPreferred ? [member.id] + others : others + [member.id]
        }
        self.plan = plan
      }
    }
    return rebalance()
  }

  /// Brings the placement nearer to what it should be, as far as that can be done now: first no
  /// group without a worker, then as many replicas as are wanted, then work for newcomers.
  mutating func rebalance() -> [Action] {
    guard phase == .serving else { return [] }
    forgetOldLosses()
    guard let geometry = rules.geometry, let plan else { return [] }
    let isWhole = isWhole
    let next = epoch.rawValue + 1
    let available = members.filter(\.isAvailable)
    let capacities = available.map { $0.capacity(as: $0.id) }
    let loaded = Dictionary(uniqueKeysWithValues: available.map { ($0.id, $0.loaded) })
    var better = plan.repaired(
      geometry, over: capacities, epoch: next, replicas: isWhole ? rules.replicas : 1,
      loaded: loaded, stalled: stalled)
    if isWhole, available.allSatisfy({ hasLoaded($0) || $0.wantsWork || $0.isStalled }) {
      for index in members.indices
      where members[index].isAvailable && members[index].wantsWork && !members[index].isStalled {
        members[index].wantsWork = false
        better = better.relieved(
          by: members[index].id, geometry, over: capacities, epoch: next)
      }
    }
    epoch = Epoch(rawValue: next)
    return assign(better) + release()
  }
}

// MARK: - Leaving

extension Membership {
  /// Moves away what a worker holds, and then lets it go.
  package mutating func drain(_ worker: WorkerID) -> [Action] {
    guard let index = members.firstIndex(where: { $0.id == worker && $0.isAvailable }) else {
      return []
    }
    return drain(index)
  }

  mutating func drain(_ index: Int) -> [Action] {
    members[index].isDraining = true
    retuning = nil
    let note = Action.note("Draining \(members[index].label)")
    guard phase == .serving else { return [note] }
    return [note] + (rules.geometry == nil ? release() : rebalance())
  }

  /// Lets draining workers go whose groups others have loaded.
  private mutating func release() -> [Action] {
    var actions: [Action] = []
    for index in members.indices where members[index].isDraining && members[index].lostReason == nil
    {
      let staying = members.filter { $0.isAvailable && $0.isReady }
      let isFree = members[index].loaded.allSatisfy { unit in
        staying.contains { $0.loaded.contains(unit) }
      }
      guard isFree else { continue }
      members[index].lostReason = "it was drained"
      rosterVersion += 1
      actions += [
        .send(.drain(text: "others hold its experts now"), to: members[index].incarnation),
        .note("\(members[index].label) is drained"),
      ]
    }
    return actions
  }
}
