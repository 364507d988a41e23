package import Experts
package import Messages

/// One dispatched call: who was asked for what, what counts as an answer, and what to do about those
/// who are late or lost.
///
/// Replies, losses and time in, verdicts and actions out; holds no clock and no socket. The answer
/// of a group is the same whoever computes it, so the first one counts.
package struct CallTracker {
  /// One message to one worker.
  package struct Sending: Equatable {
    /// Index of the worker's link.
    package let worker: Int
    /// Index of the share that was sent.
    package let share: Int
    /// Which sending of the call this is.
    package let attempt: UInt32
    /// The groups that it asks for.
    package let groups: GroupSet
    /// Partial sums, in the order of the share.
    package let partialCount: Int
    /// How many of them, the last ones, are shared experts' and come as floats.
    package let sharedCount: Int
    /// The dispatch's `enqueuedAt`, which its reply repeats: unlike an attempt it is not easily
    /// another one's.
    package let enqueuedAt: UInt64
    package let sentAt: Duration
    /// When a reply would be unusually late.
    package let lateAt: Duration
    /// When the worker is lost if it has not answered; nil: after the limit of all calls.
    package let lostAt: Duration?
    /// Whether it may still be answered.
    package fileprivate(set) var isOpen = true
    /// Groups that somebody else was asked for because this one is late.
    fileprivate var hedged = GroupSet()

    /// When the worker is lost, when no call may take longer than `most`.
    fileprivate func lossTime(_ most: Duration) -> Duration {
      min(lostAt ?? sentAt + most, sentAt + most)
    }

    /// When it has waited for so long that somebody else is asked even if that is one call too many.
    fileprivate var urgentAt: Duration { sentAt + max((lateAt - sentAt) * 2, .milliseconds(150)) }
  }

  /// What to do with a reply.
  package enum Verdict: Equatable {
    /// It answers the sending of that index.
    case accept(Int)
    /// It belongs to no live sending, or others were faster: drop and count it.
    case stale
    /// It breaks the protocol: drop the worker.
    case garbage(String)
    /// The worker says that it could not compute.
    case failed(String)
  }

  /// What is to be done now.
  package enum Action: Equatable {
    /// Ask that worker for these groups, which nobody is being asked for.
    case send(GroupSet, to: Int)
    /// Ask that worker, too, for these groups: `late` has not answered them in time.
    case hedge(GroupSet, to: Int, late: Int)
    /// That worker has not answered within the limit: it is lost.
    case lose(Int)
  }

  /// Deaths of workers over one group after which the call itself is suspected: many faults at a time
  /// are more likely than one call that kills all.
  private static let deathLimit = 6
  /// The largest number of attempts on the wire.
  private static let attemptLimit: UInt32 = 1_000

  package private(set) var call: Call
  package private(set) var sendings: [Sending] = []
  /// Groups that nobody has answered.
  package private(set) var missing = GroupSet()
  private var attempt: UInt32 = 1
  private var deaths: [Int]  // per group
  private var refusers: [Int] = []  // workers that could not compute their share
  private let width: Int
  private var format: RowFormat

  /// No call yet, for a model of that hidden size and number of groups.
  package init(width: Int, groupCount: Int) {
    self.width = width
    deaths = Array(repeating: 0, count: groupCount)
    call = Call(step: 0, number: 0, layer: 0, attempt: 1)
    format = .float32
  }

  /// Starts a call for `groups`.
  package mutating func begin(_ call: Call, replyFormat: RowFormat, groups: GroupSet) {
    self.call = call
    format = replyFormat
    missing = groups
    attempt = call.attempt
    sendings.removeAll(keepingCapacity: true)
    refusers.removeAll(keepingCapacity: true)
    for group in deaths.indices { deaths[group] = 0 }
  }

  /// A worker was sent a share, as attempt `nextAttempt`.
  package mutating func sent(
    _ share: Int, _ groups: GroupSet, partialCount: Int, sharedCount: Int = 0, to worker: Int,
    attempt: UInt32, enqueuedAt: UInt64 = 0, at time: Duration, lateAt: Duration,
    lostAt: Duration? = nil
  ) {
    sendings.append(
      Sending(
        worker: worker, share: share, attempt: attempt, groups: groups,
        partialCount: partialCount, sharedCount: sharedCount, enqueuedAt: enqueuedAt, sentAt: time,
        lateAt: lateAt, lostAt: lostAt))
  }

  /// Counts a sending that is not the call's first to anyone.
  package mutating func nextAttempt() -> UInt32 {
    attempt += 1
    return attempt
  }

  /// Gives the call up: whatever still comes is stale.
  package mutating func abandon() {
    call.number = 0
    missing = GroupSet()
    sendings.removeAll(keepingCapacity: true)
  }

  /// Whether a call is on its way.
  package var isLive: Bool { call.number > 0 }

  /// Whether every group has been answered.
  package var isComplete: Bool { missing.isEmpty }

  /// Whether that worker may still answer something that is missing.
  package func isAwaiting(_ worker: Int) -> Bool {
    sendings.contains { $0.isOpen && $0.worker == worker && !$0.groups.isDisjoint(with: missing) }
  }

  /// Whether the call is on its way and was sent to that worker, answered or not.
  package func wasSent(to worker: Int) -> Bool {
    isLive && sendings.contains { $0.worker == worker }
  }

  /// When the next reply that may still come becomes late, after `time`.
  package func nextLateness(after time: Duration) -> Duration? {
    var next: Duration?
    for sending in sendings where sending.isOpen && sending.lateAt > time {
      next = min(next ?? sending.lateAt, sending.lateAt)
    }
    return next
  }

  /// Missing groups that nobody is being asked for.
  package var uncovered: GroupSet {
    var groups = missing
    for sending in sendings where sending.isOpen { groups.subtract(sending.groups) }
    return groups
  }

  /// Whether the call cannot go on: workers that meet it keep dying, or its attempts are used up.
  package var isHopeless: Bool {
    attempt >= Self.attemptLimit || deaths.contains { $0 >= Self.deathLimit }
  }
}

// MARK: - Replies

extension CallTracker {
  /// Judges the header of a reply, whose payload has `byteCount` bytes.
  package func judge(
    _ reply: ReplyHeader, from worker: Int, byteCount: Int, rowByteCount: Int
  ) -> Verdict {
    guard
      reply.call.number == call.number, reply.call.step == call.step,
      reply.call.layer == call.layer,
      let index = sendings.firstIndex(where: {
        $0.worker == worker && $0.attempt == reply.call.attempt && $0.isOpen
          && $0.enqueuedAt == reply.enqueuedAt
      })
    else { return .stale }
    if let error = reply.error { return .failed(error) }
    let expected = sendings[index].partialCount
    guard reply.partialCount == expected else {
      return .garbage("\(reply.partialCount) partial sums where \(expected) belong")
    }
    guard reply.width == width, reply.rowFormat == format else {
      return .garbage("rows of \(reply.width) × \(reply.rowFormat), not \(width) × \(format)")
    }
    let sharedCount = sendings[index].sharedCount
    let (bytes, overflow) = (expected - sharedCount).multipliedReportingOverflow(by: rowByteCount)
    let (sharedBytes, overflows) = sharedCount.multipliedReportingOverflow(by: width * 4)
    guard !overflow, !overflows, byteCount - sharedBytes == bytes else {
      return .garbage("a payload of \(byteCount) bytes where \(bytes + sharedBytes) belong")
    }
    return sendings[index].groups.isDisjoint(with: missing) ? .stale : .accept(index)
  }

  /// The answer to a sending was accepted, header and payload.
  package mutating func complete(_ index: Int) {
    sendings[index].isOpen = false
    missing.subtract(sendings[index].groups)
  }

  /// That worker could not compute what it was sent as `attempt`: others shall.
  package mutating func refuse(_ worker: Int, attempt: UInt32) {
    for index in sendings.indices
    where sendings[index].worker == worker && sendings[index].attempt == attempt {
      sendings[index].isOpen = false
    }
    refusers.append(worker)
  }

  /// Those who could not compute may be asked again.
  package mutating func forgiveRefusals() { refusers.removeAll(keepingCapacity: true) }

  /// That worker is gone: what it owes is to be asked of others.
  ///
  /// - Parameters:
  ///   - worker: Its link.
  ///   - died: Whether the call may have killed it; what it sent, or others decided, says nothing about
  ///     the call.
  package mutating func lose(_ worker: Int, died: Bool = true) {
    for index in sendings.indices where sendings[index].worker == worker && sendings[index].isOpen {
      sendings[index].isOpen = false
      for group in deaths.indices
      where died && sendings[index].groups.contains(GroupIndex(group)) {
        deaths[group] += 1
      }
    }
  }
}

// MARK: - Actions

extension CallTracker {
  /// What is to be done at `time`; ask again after doing it, until there is nothing.
  ///
  /// - Parameters:
  ///   - time: Now.
  ///   - routes: Who holds which group.
  ///   - limit: Time after which a worker that has not answered is lost in any case.
  ///   - mayHedge: Whether another call may be sent for lateness alone.
  ///   - mayBorrow: Whether one may be sent for great lateness.
  /// - Returns: The most urgent thing; nil when there is nothing to do.
  package func nextAction(
    at time: Duration, _ routes: RouteTable, limit: Duration, mayHedge: Bool,
    mayBorrow: Bool = false
  ) -> Action? {
    if let (groups, worker) = firstWorker(for: uncovered, routes, asksSuspects: true) {
      return .send(groups, to: worker)
    }
    for sending in sendings where sending.isOpen && time >= sending.lateAt {
      guard !sending.groups.isDisjoint(with: missing) else { continue }
      if time > sending.lossTime(limit) {
        return .lose(sending.worker)
      }
      guard mayHedge || mayBorrow && time >= sending.urgentAt else { continue }
      var groups = sending.groups
      groups.subtract(sending.hedged)
      if let (groups, worker) = firstWorker(
        for: groups, routes, except: sending.worker, asksSuspects: false)
      {
        return .hedge(groups, to: worker, late: sending.worker)
      }
    }
    return nil
  }

  /// Those of `groups` that some one worker is the best to ask for, and that worker.
  private func firstWorker(
    for groups: GroupSet, _ routes: RouteTable, except late: Int? = nil, asksSuspects: Bool
  ) -> (GroupSet, Int)? {
    guard !groups.isEmpty else { return nil }
    let layer = LayerIndex(call.layer)
    var found = GroupSet()
    var worker: Int?
    for group in deaths.indices.lazy.map({ GroupIndex($0) })
    where groups.contains(group) && missing.contains(group) {
      let best = routes.holder(of: layer, group, asksSuspects: asksSuspects) {
        $0 != late && !refusers.contains($0) && !(late != nil && isAsked($0, for: group))
      }
      guard let best, worker ?? best == best else { continue }
      worker = best
      found.insert(group)
    }
    return worker.map { (found, $0) }
  }

  private func isAsked(_ worker: Int, for group: GroupIndex) -> Bool {
    sendings.contains { $0.isOpen && $0.worker == worker && $0.groups.contains(group) }
  }

  /// Another worker was asked for `groups` because `late` is late.
  package mutating func hedged(_ groups: GroupSet, late: Int) {
    for index in sendings.indices where sendings[index].worker == late && sendings[index].isOpen {
      sendings[index].hedged.formUnion(groups)
    }
  }
}
