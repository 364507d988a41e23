import Experts
package import Messages
package import Placement

extension Membership {
  mutating func handle(_ refusal: Refusal, _ index: Int, at time: Duration) -> [Action] {
    let label = members[index].label
    if phase == .loading {
      phase = .failed(.loadFailed(worker: label, reason: refusal.text))
    }
    return lose(index, reason: refusal.text, at: time) + rebalance()
  }

  /// A worker's connection is there, or is gone; one that does not come back soon is lost.
  package mutating func note(
    _ incarnation: Incarnation, isConnected: Bool, at time: Duration
  ) -> [Action] {
    // While a cluster starts, nobody waits for an answer, and nothing can take a worker's place.
    guard phase == .serving, !isConnected,
      let index = members.firstIndex(where: {
        $0.incarnation == incarnation && $0.lostReason == nil
      })
    else {
      if isConnected, let index = members.firstIndex(where: { $0.incarnation == incarnation }) {
        members[index].goneSince = nil
      }
      return []
    }
    let since = members[index].goneSince ?? time
    members[index].goneSince = since
    guard time - since >= Self.reconnectionTime else { return [] }
    return lose(index, reason: "its connection ended", at: time) + rebalance()
  }

  /// How long a connection may take to be made anew.
  private static let reconnectionTime: Duration = .milliseconds(300)

  /// Whether a worker has been silent too long: a few reports when calls wait for what it may load.
  private func isSilent(_ silence: Duration) -> Bool {
    guard silence > min(rules.silenceLimit, rules.progressInterval * 3) else { return false }
    return silence > rules.silenceLimit || phase == .serving && !isWhole
  }

  /// Finds workers that have been silent too long, or do not get on with loading.
  package mutating func tick(at time: Duration) -> [Action] {
    var actions: [Action] = []
    // Who did not listen itself, because it was held up, cannot say that others were silent.
    if let lastTick, time - lastTick > rules.progressInterval * 3 { listeningSince = time }
    lastTick = time
    for index in members.indices.reversed() where members[index].lostReason == nil {
      let silence = time - max(members[index].lastHeard, listeningSince)
      guard isSilent(silence) else { continue }
      actions += lose(
        index, reason: "it has been silent for \(silence.wholeMilliseconds) ms", at: time)
    }
    let hasStalled = noteStalls(at: time)
    return actions.isEmpty && !hasStalled
      ? releaseFormerHolders(at: time) : actions + rebalance()
  }

  /// The engine's thread has lost a worker.
  package mutating func lose(
    _ worker: WorkerID, reason: String, suspendedFor pause: Duration?, at time: Duration
  ) -> [Action] {
    guard let index = members.firstIndex(where: { $0.id == worker && $0.lostReason == nil }) else {
      return []
    }
    if let pause {
      history.suspend(
        members[index].hello.name, until: time + pause, isBarred: pause > .seconds(60),
        reason: reason)
    }
    return lose(index, reason: reason, at: time) + rebalance()
  }

  /// Parts with a worker that may not belong to the cluster any more.
  package mutating func dismiss(
    _ worker: WorkerID, reason: String, at time: Duration
  ) -> [Action] {
    guard let index = members.firstIndex(where: { $0.id == worker && $0.lostReason == nil }) else {
      return []
    }
    let farewell = Refusal(.malformed, "\(members[index].label) was dismissed: \(reason)")
    return [.send(.refusal(farewell), to: members[index].incarnation)]
      + lose(index, reason: reason, at: time)
  }

  private mutating func lose(_ index: Int, reason: String, at time: Duration) -> [Action] {
    let member = members[index]
    let note = Action.note("Lost \(member.label): \(reason)")
    switch phase {
    case .gathering:
      members.remove(at: index)
      return [note]
    case .loading: phase = .failed(.lostWhileLoading(worker: member.label, reason: reason))
    case .serving, .failed: break
    }
    members[index].lostReason = reason
    rosterVersion += 1
    retuning = nil  // what has been copied so far stays as it is
    guard phase == .serving else { return [note] }
    history.lose(member, plan, at: time)
    // If it still lives, it joins again, with what it has in memory.
    let text = "the coordinator has lost this worker: \(reason)"
    return [note, .send(.refusal(Refusal(.unknown, text)), to: member.incarnation)]
  }

  /// Keeps the last few lost workers for tables.
  mutating func forgetOldLosses() {
    let lost = members.filter { $0.lostReason != nil }
    guard lost.count > 8 else { return }
    let old = Set(lost.dropLast(8).map(\.id))
    members.removeAll { old.contains($0.id) }
  }
}

/// What is remembered of workers that were lost, by the names that they gave themselves.
struct MemberHistory {
  /// A group that a worker held.
  struct Holding {
    let unit: PlacementUnit
    let isPreferred: Bool
  }

  private struct Record {
    var holdings: [Holding]? = nil
    var losses: [Duration] = []
    var suspendedUntil: Duration?
    var reason = ""  // of that
    var isBarred = false  // even when it is needed
  }

  /// Why a worker may not join now, and for how long.
  struct Pause {
    let time: Duration
    let reason: String
  }

  /// Losses within a minute after which a worker has to wait.
  private static let patience = 4
  private static let limit = 256
  /// Refusals for the same reason of which only the first is mentioned.
  private static let mentionInterval: Duration = .seconds(30)

  private var records: [String: Record] = [:]
  private var mentioned: [String: (reason: Refusal.Reason, at: Duration)] = [:]

  /// A worker was lost.
  mutating func lose(_ member: Membership.Member, _ plan: PlacementPlan?, at time: Duration) {
    if records.count >= Self.limit { records.removeAll() }
    var record = records[member.hello.name] ?? Record()
    record.losses.removeAll { time - $0 > .seconds(60) }
    record.losses.append(time)
    let excess = record.losses.count - Self.patience
    if excess > 0 {
      let end = time + .seconds(1 << min(excess, 5))
      if end > record.suspendedUntil ?? .zero {
        record.suspendedUntil = end
        record.reason = "it was lost \(record.losses.count) times within a minute"
      }
    }
    if let plan {
      record.holdings = member.units.map {
        Holding(unit: $0, isPreferred: plan[$0.layer, $0.group].first == member.id)
      }
    }
    records[member.hello.name] = record
  }

  /// A worker sent what no worker sends: it has to wait a while.
  mutating func suspend(_ name: String, until time: Duration, isBarred: Bool, reason: String) {
    records[name, default: Record()].suspendedUntil = time
    records[name]?.isBarred = isBarred
    records[name]?.reason = reason
  }

  /// Why a worker of that name has to wait before it may join; nil when it need not.
  func pause(of name: String, at time: Duration, isUrgent: Bool) -> Pause? {
    guard let record = records[name], let until = record.suspendedUntil, until > time,
      record.isBarred || !isUrgent
    else { return nil }
    return Pause(time: until - time, reason: record.reason)
  }

  /// Whether a refusal is worth a line: who waits asks every other second.
  mutating func mentions(_ reason: Refusal.Reason, of name: String, at time: Duration) -> Bool {
    if let last = mentioned[name], last.reason == reason, time - last.at < Self.mentionInterval {
      return false
    }
    if mentioned.count >= Self.limit { mentioned.removeAll() }
    mentioned[name] = (reason, time)
    return true
  }

  /// What a worker of that name held when it was lost, once.
  mutating func takeHoldings(of name: String) -> [Holding]? {
    defer { records[name]?.holdings = nil }
    return records[name]?.holdings
  }
}
