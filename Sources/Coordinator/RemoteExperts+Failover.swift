import Experts
import Messages
import Placement
import Synchronization
import Telemetry
import Transport

// MARK: - Losses

extension RemoteExperts {
  /// Connections that are kept of workers that have no links yet, or had some.
  package static let mostAttachments = 4_096

  /// Links, lost ones among them; a slot for calls keeps room for each.
  package var linkCount: Int { links.count }

  /// Connections that are kept.
  package var attachmentCount: Int { attached.count }

  /// A worker is lost: what it owes is asked of others, and the control plane is told.
  func lose(_ worker: Int, _ reason: String, suspendedFor pause: Duration? = nil) {
    guard routes.states[worker] != .lost else { return }
    let link = links[worker]
    lastLoss = "\(link.label) is gone: \(reason)"
    forget(worker, died: pause == nil)
    attached[link.incarnation] = nil
    health.report(ClusterHealth.Loss(worker: link.id, reason: reason, suspension: pause))
  }

  private func forget(_ worker: Int, died: Bool = false) {
    routes.set(worker, .lost)
    suspectUntil[worker] = nil
    links[worker].retire()
    checks.lose(worker)
    for slot in slots where slot.tracker.isLive { slot.tracker.lose(worker, died: died) }
    isDisturbed = true
  }

  /// A worker has answered something, so it lives.
  func answered(_ worker: Int) {
    guard suspectUntil[worker] != nil else { return }
    suspectUntil[worker] = nil
    routes.set(worker, .live)
  }

  /// Does what a call needs now: sends again what was lost, and to others what is late.
  func act(on slot: CallSlot) throws {
    isDisturbed = false
    while let action = slot.tracker.nextAction(
      at: MonotonicTime.now, routes, limit: combineTimeout, mayHedge: budget.allowsOne,
      mayBorrow: budget.lendsOne)
    {
      switch action {
      case .send(let groups, let worker): try resend(slot, groups, to: worker)
      case .hedge(let groups, let worker, let late):
        suspect(late, in: slot)
        slot.tracker.hedged(groups, late: late)
        budget.spend()
        try resend(slot, groups, to: worker)
      case .lose(let worker): lose(worker, missingReply(of: worker, in: slot))
      }
      if slot.tracker.isHopeless {
        throw ClusterError.hopeless(layer: LayerIndex(slot.tracker.call.layer), reason: lastLoss)
      }
    }
    if let failure = slot.failure, !slot.tracker.uncovered.isEmpty, gapSince == nil {
      try forgive(failure, slot)
    }
    // Other calls on their way have lost the same worker; they act when they are combined.
    isDisturbed = slots.contains {
      $0 !== slot && $0.tracker.isLive && !$0.tracker.uncovered.isEmpty
    }
  }

  /// Lets those be asked again who could not compute: the placement may have changed on the way.
  ///
  /// - Throws: The failure, when that has not helped for a while.
  private func forgive(_ failure: ClusterError, _ slot: CallSlot) throws {
    let now = MonotonicTime.now
    let since = slot.failedSince ?? now
    slot.failedSince = since
    guard now - since < .seconds(1) else { throw failure }
    guard now >= slot.nextTry else { return }
    slot.nextTry = now + .milliseconds(50)
    slot.tracker.forgiveRefusals()
  }

  /// When a reply is late; of a worker that has not answered yet, by what the others take.
  func lateLimit(of worker: Int, size: Int) -> Duration {
    times[worker].knownLimit(size: size)
      ?? ReplyTimes.limit(beside: timesOfOthers.compactMap { $0.knownLimit(size: size) })
  }

  /// How long a worker may take; of one that has not answered yet, by what the others take.
  func lossLimit(of worker: Int, size: Int) -> Duration? {
    if let limit = times[worker].lossLimit(size: size) { return limit }
    return timesOfOthers.compactMap { $0.lossLimit(size: size) }.max().map { $0 * 2 }
  }

  private var timesOfOthers: [ReplyTimes] {
    links.indices.filter { routes.states[$0] != .lost }.map { times[$0] }
  }

  private func missingReply(of worker: Int, in slot: CallSlot) -> String {
    let oldest = slot.tracker.sendings.first { $0.isOpen && $0.worker == worker }
    let waited = oldest.map { MonotonicTime.now - $0.sentAt } ?? .zero
    guard waited < combineTimeout else { return "it has not answered within \(combineTimeout)" }
    return "it has not answered within \(waited.wholeMilliseconds) ms, many times what it takes"
  }

  private func resend(_ slot: CallSlot, _ groups: GroupSet, to worker: Int) throws {
    let share = slot.addShare(of: groups)
    try send(
      slot, share: share, to: worker, attempt: slot.tracker.nextAttempt(),
      enqueuedAt: MonotonicTime.nanoseconds)
  }

  /// A worker is late: others are preferred until it answers, and after a while it is lost.
  private func suspect(_ worker: Int, in slot: CallSlot) {
    guard suspectUntil[worker] == nil else { return }
    let late = slot.tracker.sendings.first { $0.isOpen && $0.worker == worker }
    let usual = late.map { $0.lateAt - $0.sentAt } ?? .zero
    suspectUntil[worker] = MonotonicTime.now + min(max(usual * 4, .seconds(2)), combineTimeout)
    routes.set(worker, .suspect)
  }
}

// MARK: - Changes

extension RemoteExperts {
  /// Takes over what the control plane has decided, and gives up on workers that stay silent.
  ///
  /// - Throws: `ExpertsUnavailable` when groups have been without a worker for too long.
  func keepUp() throws {
    if health.rosterVersion != rosterVersion || attachmentLimit != nil {
      while try receive(timeout: .zero) {}  // data connections of newcomers, perhaps
      refresh()
    }
    for worker in links.indices {
      if let limit = suspectUntil[worker], MonotonicTime.now > limit {
        lose(worker, "it has not answered for too long")
      }
    }
    guard routes.gapCount > 0 else {
      gapSince = nil
      return
    }
    let now = MonotonicTime.now
    let since = gapSince ?? now
    gapSince = since
    if let attachmentLimit, now < attachmentLimit { return }
    guard now - since > recoveryTimeout || health.hasEnded else { return }
    throw ExpertsUnavailable(
      "\(routes.gapCount) of \(geometry.moeLayers.count * geometry.placedGroupCount) expert groups have no "
        + "worker: \(lastLoss); start a worker with room for them, requests are served again when "
        + "it has loaded them")
  }

  /// Starts the time for a gap anew when the last one was closed while nobody asked.
  ///
  /// At the start of calls only: one that waits does so for as long as groups had no worker that
  /// answered, however often others came and went.
  func forgetClosedGap() {
    if gapSince != nil, health.hasBeenWhole(since: rosterVersion) { gapSince = nil }
  }

  /// Takes over who holds what.
  func refresh() {
    rosterVersion = health.rosterVersion
    let roster = health.roster
    let limit = attachmentLimit ?? MonotonicTime.now + .seconds(2)
    attachmentLimit = nil
    let here = Set(roster.workers.map(\.id))
    for index in links.indices
    where routes.states[index] != .lost && !here.contains(links[index].id) {
      lastLoss = "\(links[index].label) is gone: the control plane has lost it"
      attached[links[index].incarnation] = nil
      forget(index)
    }
    for worker in roster.workers where !links.contains(where: { $0.id == worker.id }) {
      if let peer = attached[worker.incarnation], peer.key == worker.key {
        add(WorkerLink(worker, peer: peer))
      } else if MonotonicTime.now < limit {
        attachmentLimit = limit
      } else {
        health.report(
          ClusterHealth.Loss(
            worker: worker.id, reason: "it has not opened its data connection", suspension: nil))
      }
    }
    var index: [WorkerID: Int] = [:]
    for (position, link) in links.enumerated() { index[link.id] = position }
    routes.replace(
      holders: roster.holders.map { $0.compactMap { index[$0] } }, linkCount: links.count,
      secondsPerUse: links.map { expertByteCount / $0.bytesPerSecond })
    published.withLock { $0 = links }
    isDisturbed = true
  }

  /// Gives a link the index of a lost one that no call on its way was sent to, else one of its own.
  private func add(_ link: WorkerLink) {
    let free = routes.states.indices.first { index in
      routes.states[index] == .lost && !slots.contains { $0.tracker.wasSent(to: index) }
    }
    if let free {
      links[free] = link
      times[free] = ReplyTimes()
      suspectUntil[free] = nil
      routes.renew(free)
      return
    }
    links.append(link)
    times.append(ReplyTimes())
    suspectUntil.append(nil)
  }

  /// Notes whose connection a stranger says that it is.
  func attach(_ sender: RoutingID) {
    guard let incarnation = socket.attachment(inbox) else {
      staleReplyCount += 1
      return
    }
    guard attached[incarnation] == nil else { return }  // workers say it again
    if attached.count >= Self.mostAttachments {
      // Workers that came, and were gone before they were assigned anything.
      let here = Set(health.roster.workers.map(\.incarnation))
      attached = attached.filter { here.contains($0.key) }
      guard attached.count < Self.mostAttachments else { return }
    }
    attached[incarnation] = sender
  }
}
