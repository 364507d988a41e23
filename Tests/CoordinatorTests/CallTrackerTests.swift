import Coordinator
import Messages
import Testing

@Suite struct CallTrackerTests {
  private var tracker: CallTracker
  private let call = Call(step: 2, number: 7, layer: 3, attempt: 1)

  init() {
    tracker = CallTracker(width: 64)
    tracker.begin(call, replyFormat: .float32, deadline: .seconds(10))
    tracker.expect(worker: 0, partialCount: 2)
    tracker.expect(worker: 4, partialCount: 1)
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

  @Test mutating func `a call is complete when everyone has answered, in any order`() {
    #expect(judge(reply(1), from: 4, bytes: 256) == .accept)
    tracker.complete(4)
    #expect(!tracker.isComplete && tracker.isAwaiting(0) && !tracker.isAwaiting(4))
    #expect(judge(reply(2), from: 0, bytes: 512) == .accept)
    tracker.complete(0)
    #expect(tracker.isComplete)
  }

  @Test mutating func `what belongs to no live attempt is stale`() {
    #expect(judge(reply(1) { $0.call.number = 6 }, from: 4, bytes: 256) == .stale)
    #expect(judge(reply(1) { $0.call.step = 1 }, from: 4, bytes: 256) == .stale)
    #expect(judge(reply(1) { $0.call.layer = 4 }, from: 4, bytes: 256) == .stale)
    #expect(judge(reply(1) { $0.call.attempt = 2 }, from: 4, bytes: 256) == .stale)
    #expect(judge(reply(1), from: 1, bytes: 256) == .stale)
    tracker.complete(4)
    #expect(judge(reply(1), from: 4, bytes: 256) == .stale)
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

  @Test func `time is over after the deadline`() {
    #expect(!tracker.isOverdue(at: .seconds(10)))
    #expect(tracker.isOverdue(at: .seconds(11)))
  }
}
