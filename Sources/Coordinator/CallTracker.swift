package import Messages

/// One dispatched call: who must answer, what counts as an answer, and who is late.
///
/// Replies and time in, verdicts out; holds no clock and no socket.
package struct CallTracker {
  /// What one worker must send.
  package struct Expectation: Equatable {
    /// Index of the worker's link.
    package let worker: Int
    /// Partial sums, in the order of the share.
    package let partialCount: Int
    /// Which sending of the call this answers.
    package let attempt: UInt32
    package fileprivate(set) var isDone = false
  }

  /// What to do with a reply.
  package enum Verdict: Equatable {
    /// It is the answer.
    case accept
    /// It belongs to no live attempt: drop and count it.
    case stale
    /// It breaks the protocol: drop the worker.
    case garbage(String)
    /// The worker says that it could not compute.
    case failed(String)
  }

  package private(set) var call: Call
  package private(set) var deadline: Duration
  package private(set) var expectations: [Expectation] = []
  private let width: Int
  private var format: RowFormat

  /// No call yet, for a model of that hidden size.
  package init(width: Int) {
    self.width = width
    call = Call(step: 0, number: 0, layer: 0, attempt: 1)
    deadline = .zero
    format = .float32
  }

  /// Starts a call.
  package mutating func begin(_ call: Call, replyFormat: RowFormat, deadline: Duration) {
    self.call = call
    self.deadline = deadline
    format = replyFormat
    expectations.removeAll(keepingCapacity: true)
  }

  /// A worker was sent its share.
  package mutating func expect(worker: Int, partialCount: Int) {
    expectations.append(
      Expectation(worker: worker, partialCount: partialCount, attempt: call.attempt))
  }

  /// Gives the call up: whatever still comes is stale.
  package mutating func abandon() {
    call.number = 0
    expectations.removeAll(keepingCapacity: true)
  }

  /// Whether a call is on its way.
  package var isLive: Bool { call.number > 0 }

  /// Whether every worker has answered.
  package var isComplete: Bool { expectations.allSatisfy(\.isDone) }

  /// Whether that worker's answer is still missing.
  package func isAwaiting(_ worker: Int) -> Bool {
    expectations.contains { $0.worker == worker && !$0.isDone }
  }

  /// Whether the call's time is over.
  package func isOverdue(at time: Duration) -> Bool { time > deadline }

  /// Judges the header of a reply, whose payload has `byteCount` bytes.
  package func judge(
    _ reply: ReplyHeader, from worker: Int, byteCount: Int, rowByteCount: Int
  ) -> Verdict {
    guard
      reply.call.number == call.number, reply.call.step == call.step,
      reply.call.layer == call.layer,
      let index = expectations.firstIndex(where: {
        $0.worker == worker && $0.attempt == reply.call.attempt && !$0.isDone
      })
    else { return .stale }
    if let error = reply.error { return .failed(error) }
    let expected = expectations[index].partialCount
    guard reply.partialCount == expected else {
      return .garbage("\(reply.partialCount) partial sums where \(expected) belong")
    }
    guard reply.width == width, reply.rowFormat == format else {
      return .garbage("rows of \(reply.width) × \(reply.rowFormat), not \(width) × \(format)")
    }
    let (bytes, overflow) = expected.multipliedReportingOverflow(by: rowByteCount)
    guard !overflow, byteCount == bytes else {
      return .garbage("a payload of \(byteCount) bytes where \(bytes) belong")
    }
    return .accept
  }

  /// That worker's answer was accepted, header and payload.
  package mutating func complete(_ worker: Int) {
    for index in expectations.indices where expectations[index].worker == worker {
      expectations[index].isDone = true
    }
  }
}
