import Coordinator
import Experts
import Messages
import Testing

/// What one call does with replies, losses and time.
@Suite struct CallTrackerTests {
  private var tracker: CallTracker
  private var routes: RouteTable
  private let call = Call(step: 2, number: 7, layer: 1, attempt: 1)

  /// Groups 0 and 1 are asked of worker 0, group 2 of worker 2.
  init() throws {
    let geometry = try TestModel(TestModel.floats).geometry
    tracker = CallTracker(width: 64, groupCount: geometry.groupCount)
    tracker.begin(call, replyFormat: .float32, groups: Self.set(0, 1, 2))
    routes = RouteTable(geometry)
    routes.replace(
      holders: geometry.layers.flatMap { _ in
        geometry.groups.map { $0.rawValue < 2 ? [0, 1] : [2, 0] }
      }, linkCount: 3)
    ask(0, Self.set(0, 1), partials: 2)
    ask(2, Self.set(2), partials: 1)
  }

  private static func set(_ groups: Int...) -> GroupSet { GroupSet(groups.map { GroupIndex($0) }) }

  private mutating func ask(
    _ worker: Int, _ groups: GroupSet, partials: Int, attempt: UInt32 = 1,
    at time: Duration = .zero, lostAfter: Duration? = nil
  ) {
    tracker.sent(
      tracker.sendings.count, groups, partialCount: partials, to: worker, attempt: attempt,
      at: time, lateAt: time + .milliseconds(30), lostAt: lostAfter.map { time + $0 })
  }

  @Test mutating func `shared experts' sums come as floats after the others`() {
    tracker.begin(call, replyFormat: .int16Blocks, groups: Self.set(0, 1))
    tracker.sent(
      0, Self.set(0, 1), partialCount: 5, sharedCount: 2, to: 0, attempt: 1, at: .zero,
      lateAt: .milliseconds(30))
    let reply = reply(5) { $0.rowFormat = .int16Blocks }
    // Three rows of 136 bytes, two of 64 floats.
    func judge(_ bytes: Int) -> CallTracker.Verdict {
      tracker.judge(reply, from: 0, byteCount: bytes, rowByteCount: 136)
    }
    #expect(judge(3 * 136 + 2 * 256) == .accept(0))
    #expect(judge(5 * 136) == .garbage("a payload of 680 bytes where 920 belong"))
    #expect(judge(5 * 256) == .garbage("a payload of 1280 bytes where 920 belong"))
  }

  private func reply(
    _ partialCount: Int, _ change: (inout ReplyHeader) -> Void = { _ in }
  ) -> ReplyHeader {
    var reply = ReplyHeader(
      call: call, partialCount: partialCount, width: 64, rowFormat: .float32, enqueuedAt: 0,
      times: WorkerTimes(receivedAt: 0, computeStartedAt: 0, computeEndedAt: 0, repliedAt: 0),
      error: nil)
    change(&reply)
    return reply
  }

  private func judge(_ reply: ReplyHeader, from worker: Int, bytes: Int) -> CallTracker.Verdict {
    tracker.judge(reply, from: worker, byteCount: bytes, rowByteCount: 256)
  }

  private func next(
    at time: Duration = .zero, limit: Duration = .seconds(10), mayHedge: Bool = true,
    mayBorrow: Bool = false
  ) -> CallTracker.Action? {
    tracker.nextAction(
      at: time, routes, limit: limit, mayHedge: mayHedge, mayBorrow: mayBorrow)
  }

  /// A worker without a replica whose replies do not come used to hold a call up for the 30 s of
  /// `combineTimeout`.
  @Test mutating func `a reply that is missing for many times what it takes loses its worker`() {
    tracker.begin(call, replyFormat: .float32, groups: Self.set(0, 1))
    ask(0, Self.set(0, 1), partials: 2, lostAfter: .seconds(1))
    #expect(next(at: .milliseconds(999), mayHedge: false) == nil)
    #expect(next(at: .milliseconds(1_001), mayHedge: false) == .lose(0))
    #expect(next(at: .milliseconds(301), limit: .milliseconds(300), mayHedge: false) == .lose(0))
  }

  /// A reply under the number of another attempt of the same worker, with as many partial sums, was
  /// taken for that one's.
  @Test mutating func `a reply is that to its own dispatch only`() {
    tracker.begin(call, replyFormat: .float32, groups: Self.set(0, 1))
    for (group, attempt) in [(0, 1), (1, 2)] {
      tracker.sent(
        group, Self.set(group), partialCount: 1, to: 0, attempt: UInt32(attempt),
        enqueuedAt: UInt64(10 * attempt), at: .zero, lateAt: .seconds(1))
    }
    let mixedUp = reply(1) {
      $0.call.attempt = 2
      $0.enqueuedAt = 10
    }
    #expect(judge(mixedUp, from: 0, bytes: 256) == .stale)
    let right = reply(1) {
      $0.call.attempt = 2
      $0.enqueuedAt = 20
    }
    #expect(judge(right, from: 0, bytes: 256) == .accept(1))
  }

  /// When hedges were used up, calls stood still, so that no new ones could be earned.
  @Test mutating func `great lateness is hedged without credit`() {
    #expect(next(at: .milliseconds(149), mayHedge: false, mayBorrow: true) == nil)
    #expect(
      next(at: .milliseconds(150), mayHedge: false, mayBorrow: true)
        == .hedge(Self.set(0, 1), to: 1, late: 0))
    var budget = HedgeBudget()
    for _ in 0..<20 { budget.spend() }
    #expect(!budget.lendsOne)
    for _ in 0..<20 { budget.earn() }
    #expect(budget.lendsOne && !budget.allowsOne)
  }

  @Test mutating func `a call is complete when every group is answered, in any order`() {
    #expect(judge(reply(1), from: 2, bytes: 256) == .accept(1))
    tracker.complete(1)
    #expect(!tracker.isComplete && tracker.isAwaiting(0) && !tracker.isAwaiting(2))
    #expect(judge(reply(2), from: 0, bytes: 512) == .accept(0))
    tracker.complete(0)
    #expect(tracker.isComplete && next() == nil)
  }

  @Test mutating func `what belongs to no live sending is stale`() {
    #expect(judge(reply(1) { $0.call.number = 6 }, from: 2, bytes: 256) == .stale)
    #expect(judge(reply(1) { $0.call.step = 1 }, from: 2, bytes: 256) == .stale)
    #expect(judge(reply(1) { $0.call.layer = 4 }, from: 2, bytes: 256) == .stale)
    #expect(judge(reply(1) { $0.call.attempt = 2 }, from: 2, bytes: 256) == .stale)
    #expect(judge(reply(1), from: 1, bytes: 256) == .stale)
    tracker.complete(1)
    #expect(judge(reply(1), from: 2, bytes: 256) == .stale)
    tracker.abandon()
    #expect(judge(reply(2), from: 0, bytes: 512) == .stale)
    #expect(judge(reply(2) { $0.call.number = 0 }, from: 0, bytes: 512) == .stale)
  }

  @Test func `what has the wrong shape is garbage`() {
    #expect(
      judge(reply(3), from: 0, bytes: 768) == .garbage("3 partial sums where 2 belong"))
    #expect(
      judge(reply(2), from: 0, bytes: 511)
        == .garbage("a payload of 511 bytes where 512 belong"))
    #expect(
      judge(reply(2) { $0.width = 32 }, from: 0, bytes: 512)
        == .garbage("rows of 32 × float32, not 64 × float32"))
  }

  @Test func `an error text is a failure whatever else the header says`() {
    let failed = reply(0) { $0.error = "no memory" }
    #expect(judge(failed, from: 0, bytes: 0) == .failed("no memory"))
  }

  @Test mutating func `what a lost worker owes is asked of the next holder, once`() {
    tracker.lose(0)
    routes.set(0, .lost)
    #expect(next() == .send(Self.set(0, 1), to: 1))
    ask(1, Self.set(0, 1), partials: 2, attempt: tracker.nextAttempt())
    #expect(next() == nil)
    #expect(judge(reply(2), from: 0, bytes: 512) == .stale)
    #expect(judge(reply(2), from: 1, bytes: 512) == .stale)
    #expect(judge(reply(2) { $0.call.attempt = 2 }, from: 1, bytes: 512) == .accept(2))
  }

  @Test mutating func `a lost share is split where its groups have gone to different holders`() {
    var holders = [[Int]]()
    for group in routes.preferred[0].indices { holders.append(group == 0 ? [1] : [2]) }
    routes.replace(
      holders: routes.preferred.flatMap { _ in holders }, linkCount: 3)
    tracker.lose(0)
    #expect(next() == .send(Self.set(0), to: 1))
    ask(1, Self.set(0), partials: 1, attempt: tracker.nextAttempt())
    #expect(next() == .send(Self.set(1), to: 2))
  }

  @Test mutating func `groups without a holder wait until there is one`() {
    let none = routes.preferred.flatMap { $0.map { _ in [Int]() } }
    routes.replace(holders: none, linkCount: 3)
    tracker.lose(2)
    #expect(next() == nil && !tracker.isComplete && tracker.uncovered == Self.set(2))
    routes.replace(holders: none.map { _ in [1] }, linkCount: 3)
    #expect(next(at: .seconds(9)) == .send(Self.set(2), to: 1))
  }

  @Test mutating func `a late share is asked of a replica, too, and the first answer counts`() {
    #expect(next(at: .milliseconds(29)) == nil)
    #expect(next(at: .milliseconds(31), mayHedge: false) == nil)
    #expect(next(at: .milliseconds(31)) == .hedge(Self.set(0, 1), to: 1, late: 0))
    tracker.hedged(Self.set(0, 1), late: 0)
    ask(1, Self.set(0, 1), partials: 2, attempt: tracker.nextAttempt(), at: .milliseconds(31))
    #expect(next(at: .milliseconds(31)) == .hedge(Self.set(2), to: 0, late: 2))
    #expect(judge(reply(2), from: 0, bytes: 512) == .accept(0))
    tracker.complete(0)
    #expect(judge(reply(2) { $0.call.attempt = 2 }, from: 1, bytes: 512) == .stale)
  }

  @Test mutating func `suspects are not asked because others are late`() {
    routes.set(1, .suspect)
    routes.set(0, .suspect)
    #expect(next(at: .milliseconds(31)) == nil)
    tracker.lose(2)
    routes.set(2, .lost)
    #expect(next(at: .milliseconds(31)) == .send(Self.set(2), to: 0))
  }

  @Test func `a worker that never answers is lost after the limit`() {
    #expect(next(at: .seconds(11)) == .lose(0))
    #expect(next(at: .seconds(10), mayHedge: false) == nil)
  }

  @Test mutating func `who could not compute is not asked again`() {
    tracker.refuse(0, attempt: 1)
    #expect(next() == .send(Self.set(0, 1), to: 1))
    tracker.refuse(2, attempt: 1)
    tracker.refuse(1, attempt: 9)
    #expect(next() == nil && tracker.uncovered == Self.set(0, 1, 2))
    tracker.forgiveRefusals()
    #expect(next() == .send(Self.set(0, 1), to: 0))
  }

  @Test mutating func `a call that kills six workers is hopeless`() {
    for _ in 0..<9 {
      tracker.lose(0, died: false)  // it sent garbage, say
      ask(0, Self.set(0, 1), partials: 2, attempt: tracker.nextAttempt())
    }
    for _ in 0..<5 {
      tracker.lose(0)
      ask(0, Self.set(0, 1), partials: 2, attempt: tracker.nextAttempt())
    }
    #expect(!tracker.isHopeless)
    tracker.lose(0)
    #expect(tracker.isHopeless)
    tracker.begin(call, replyFormat: .float32, groups: Self.set(0))
    #expect(!tracker.isHopeless)
  }
}

/// What counts as late, and how often others are asked for that alone.
@Suite struct LatenessTests {
  @Test func `the bound follows what is usual for a size`() {
    var times = ReplyTimes()
    #expect(times.limit(size: 6) == .milliseconds(400))
    for _ in 0..<200 { times.record(.milliseconds(20), size: 6) }
    #expect(times.limit(size: 6) == .milliseconds(60))
    #expect(times.limit(size: 3) == .milliseconds(60), "a smaller call is not slower")
    #expect(times.limit(size: 60) > .milliseconds(400), "a larger one may be")
    for _ in 0..<40 { times.record(.milliseconds(200), size: 6) }
    #expect(times.limit(size: 6) > .milliseconds(500))
    for _ in 0..<4_000 { times.record(.microseconds(100), size: 6) }
    #expect(times.limit(size: 6) == .milliseconds(8))
  }

  /// One reply in a hundred that came 20 ms late used to raise the bound until 30 ms were usual.
  @Test func `a few late replies do not become usual`() {
    var times = ReplyTimes()
    for number in 0..<5_000 {
      times.record(number % 100 == 99 ? .milliseconds(21.5) : .milliseconds(1.5), size: 6)
    }
    #expect(times.limit(size: 6) < .milliseconds(12))
  }

  /// After one reply that was seconds late, everything of that worker was waited for as long: for
  /// thousands of calls, replicas were not asked and a worker that hung was not given up.
  @Test func `one very late reply does not change what is late`() {
    var times = ReplyTimes()
    for _ in 0..<200 { times.record(.milliseconds(10), size: 6) }
    times.record(.seconds(7), size: 6)
    #expect(times.limit(size: 6) < .milliseconds(40))
    #expect(times.lossLimit(size: 6) == .seconds(1))
    var first = ReplyTimes()
    first.record(.seconds(7), size: 6)
    for _ in 0..<400 { first.record(.milliseconds(1), size: 6) }
    #expect(first.limit(size: 6) < .milliseconds(100))
  }

  @Test func `a worker that has not answered yet is late by what others take`() {
    #expect(ReplyTimes.limit(beside: []) == .milliseconds(400))
    #expect(
      ReplyTimes.limit(beside: [.milliseconds(25), .milliseconds(40)]) == .milliseconds(80))
    #expect(ReplyTimes.limit(beside: [.seconds(9)]) == .milliseconds(400))
  }

  @Test func `one call in twenty may be sent twice`() {
    var budget = HedgeBudget()
    while budget.allowsOne { budget.spend() }
    let start = budget.spentCount
    for _ in 0..<2_000 {
      budget.earn()
      if budget.allowsOne { budget.spend() }
    }
    #expect((99...101).contains(budget.spentCount - start))
  }

  @Test func `a link that is lost stays lost until another worker has it`() throws {
    var routes = RouteTable(try TestModel(TestModel.floats).geometry)
    let groups = routes.preferred.flatMap { $0 }
    #expect(routes.gapCount == groups.count)
    routes.replace(holders: groups.map { _ in [1, 0] }, linkCount: 2)
    #expect(routes.gapCount == 0 && routes.preferred[0].allSatisfy { $0 == 1 })
    routes.set(1, .suspect)
    #expect(routes.preferred[0].allSatisfy { $0 == 0 })
    routes.set(0, .lost)
    #expect(routes.preferred[0].allSatisfy { $0 == 1 } && routes.gapCount == 0)
    routes.set(0, .live)
    #expect(routes.states == [.lost, .suspect])
    routes.renew(0)
    #expect(routes.states == [.live, .suspect] && routes.preferred[0].allSatisfy { $0 == 1 })
  }
}
