import Telemetry
import Testing

/// Steps with known times, taken apart.
@Suite struct TokenPathTests {
  /// A clock that is ours.
  static let same: ClockMap = {
    var clock = ClockOffset()
    clock.add(Exchange(intendedAt: 0, sentAt: 0, receivedAt: 0, repliedAt: 0, arrivedAt: 0))
    return ClockMap(clock, clock)
  }()

  /// A share whose parts take so long; the worker's clock is ahead.
  private func share(
    _ worker: Int, sent: UInt64, out: UInt64, queue: UInt64, compute: UInt64, back: UInt64,
    ahead: UInt64 = 0
  ) -> ShareRecord {
    var share = ShareRecord(worker: worker, sentAt: sent)
    share.receivedAt = sent + out + ahead
    share.computeStartedAt = share.receivedAt + queue
    share.computeEndedAt = share.computeStartedAt + compute
    share.repliedAt = share.computeEndedAt
    share.arrivedAt = share.repliedAt - ahead + back
    return share
  }

  private func call(
    _ layer: Int, at time: UInt64, combine: UInt64, end: UInt64, _ shares: [ShareRecord]
  ) -> CallRecord {
    var call = CallRecord(
      number: UInt64(layer), layer: layer, rowCount: 1, dispatchedAt: time)
    call.combineStartedAt = combine
    call.combinedAt = end
    call.shares = shares
    return call
  }

  @Test func `every part is found, and they add up`() {
    let shares = [
      share(0, sent: 1100, out: 50, queue: 5, compute: 300, back: 45),
      share(1, sent: 1200, out: 60, queue: 7, compute: 800, back: 33),
    ]
    let step = StepRecord(
      kind: .decode, startedAt: 500, endedAt: 3000,
      calls: [call(3, at: 1000, combine: 1500, end: 2150, shares)])
    let trace = TraceSummary(.decode, of: [step], clocks: [Self.same, Self.same])
    #expect(trace.path.total == 2500)
    let expected: [(PathPart, UInt64)] = [
      (.trunk, 500 + 850), (.serialise, 200), (.out, 60), (.queue, 7), (.compute, 800),
      (.back, 33), (.sum, 50), (.shared, 0),
    ]
    for (part, time) in expected { #expect(trace.path[part] == time, "\(part)") }
    #expect(trace.workers[0].wait.max >= .nanoseconds(600))
    #expect(trace.workers[1].slowestCount == 1)
    #expect(trace.culprits.first?.worker == 1)
    #expect(trace.culprits.first?.part == .compute)
    #expect(trace.layers == [3])
    #expect(trace.cells[0][1].times[.out] == 60)
  }

  @Test func `experts that are back before they are wanted cost nothing`() {
    let shares = [share(0, sent: 1010, out: 20, queue: 0, compute: 100, back: 20)]
    let step = StepRecord(
      kind: .decode, startedAt: 1000, endedAt: 2100,
      calls: [call(1, at: 1000, combine: 2000, end: 2050, shares)])
    let trace = TraceSummary(.decode, of: [step], clocks: [Self.same])
    #expect(trace.path[.shared] == 1000)
    #expect(trace.path[.sum] == 50)
    #expect(trace.path[.compute] == 0)
    #expect(trace.path.total == 1100)
    #expect(trace.culprits.first?.worker == nil)
  }

  @Test func `an unknown or wrong clock moves time between the two ways, and nowhere else`() {
    let record = share(0, sent: 1000, out: 100, queue: 10, compute: 200, back: 60, ahead: 1 << 40)
    let call = call(1, at: 900, combine: 1000, end: 2000, [record])
    for clock in [nil, Self.same] {
      let times = ShareTimes(record, of: call, clock: clock).times
      #expect(times[.out] + times[.back] == 160)
      #expect(times[.queue] == 10)
      #expect(times[.compute] == 200)
      #expect(times.total == 470)
    }
    #expect(ShareTimes(record, of: call, clock: nil).times[.out] == 80)
  }

  /// The second of two messages waits in the worker's socket while the first is computed; the
  /// worker takes it only then, so by its own times it came late.
  @Test func `waiting behind another call is queue, not network`() {
    let calls = [
      call(
        1, at: 1000, combine: 1100, end: 1600,
        [
          share(0, sent: 1010, out: 50, queue: 0, compute: 400, back: 50)
        ]),
      call(
        1, at: 1020, combine: 1600, end: 2000,
        [
          share(0, sent: 1030, out: 435, queue: 0, compute: 400, back: 50)
        ]),
    ]
    let step = StepRecord(kind: .decode, startedAt: 1000, endedAt: 2000, calls: calls)
    let trace = TraceSummary(.decode, of: [step], clocks: [Self.same])
    let second = trace.paths[0].shares[1].times
    #expect(second[.out] == 55)  // what it took at least, and 5 to take it from the socket
    #expect(second[.queue] == 380)
    #expect(second.total == 10 + 435 + 400 + 50)
  }

  @Test func `a recorder keeps whole steps, and leaves out what has no room`() {
    let recorder = DispatchRecorder(callsPerStep: 2, workers: 1)
    recorder.dispatching(1, layer: 1, rowCount: 1, at: 5)  // before any step
    recorder.beginStep(.prefill, at: 10)
    for number in UInt64(2)...4 {
      recorder.dispatching(number, layer: Int(number), rowCount: 3, at: 10 * number)
      recorder.sent(number, to: 0, at: 10 * number + 1)
      recorder.replied(number, share(0, sent: 0, out: 2, queue: 2, compute: 2, back: 2))
      recorder.replied(number, share(0, sent: 0, out: 9, queue: 9, compute: 9, back: 9))
      recorder.combined(number, from: 10 * number + 2, to: 10 * number + 9)
    }
    recorder.endStep(at: 60)
    #expect(recorder.missedCount == 1)
    #expect(recorder.steps.count == 1)
    #expect(recorder.steps[0].calls.map(\.layer) == [2, 3])
    #expect(recorder.steps[0].calls[1].shares.map(\.sentAt) == [31])
    #expect(recorder.steps[0].calls[1].shares.map(\.arrivedAt) == [8])
    #expect(recorder.steps[0].calls[1].combinedAt == 39)
  }
}
