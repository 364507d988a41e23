/// What became of one worker's share of a dispatch; times in nanoseconds.
public struct ShareRecord: Sendable, Equatable {
  /// Index of the worker's link.
  public var worker: Int
  /// When writing the share was over and the message handed to the socket, by our clock.
  public var sentAt: UInt64
  /// When the worker took it from its socket, by its clock, as the next three.
  public var receivedAt: UInt64 = 0
  /// When computation began.
  public var computeStartedAt: UInt64 = 0
  /// When it ended.
  public var computeEndedAt: UInt64 = 0
  /// When the reply was handed to the socket.
  public var repliedAt: UInt64 = 0
  /// When the reply was taken from our socket, by our clock; 0 while it is awaited.
  public var arrivedAt: UInt64 = 0

  /// A share that is on its way.
  public init(worker: Int, sentAt: UInt64) {
    self.worker = worker
    self.sentAt = sentAt
  }
}

/// One dispatch and its combine; times in nanoseconds of our clock.
public struct CallRecord: Sendable, Equatable {
  /// Number of the call.
  public var number: UInt64
  /// Layer of the experts.
  public var layer: Int
  /// Rows of the batch.
  public var rowCount: Int
  /// When dispatch was called.
  public var dispatchedAt: UInt64
  /// When combine was called.
  public var combineStartedAt: UInt64 = 0
  /// When combine returned.
  public var combinedAt: UInt64 = 0
  /// The shares, in the order in which they were sent.
  public var shares: [ShareRecord] = []

  /// A call that begins.
  public init(number: UInt64, layer: Int, rowCount: Int, dispatchedAt: UInt64) {
    self.number = number
    self.layer = layer
    self.rowCount = rowCount
    self.dispatchedAt = dispatchedAt
  }
}

/// What a step is for.
public enum StepKind: String, Sendable, CaseIterable, Codable {
  /// A token of each sequence.
  case decode
  /// Tokens of a prompt.
  case prefill
}

/// One pass through the model; times in nanoseconds of our clock.
public struct StepRecord: Sendable, Equatable {
  /// What it was for.
  public var kind: StepKind
  /// When it began.
  public var startedAt: UInt64
  /// When it ended.
  public var endedAt: UInt64
  /// Its calls, in the order of dispatch.
  public var calls: [CallRecord]

  /// A step with what happened in it.
  public init(kind: StepKind, startedAt: UInt64, endedAt: UInt64, calls: [CallRecord]) {
    self.kind = kind
    self.startedAt = startedAt
    self.endedAt = endedAt
    self.calls = calls
  }
}

/// Writes down when what happened to each dispatch, for analysis afterwards.
///
/// Belongs to the thread that dispatches. Room for the calls of a step is made beforehand; what does
/// not fit is left out and counted.
public final class DispatchRecorder {
  /// What was recorded of whole steps.
  public private(set) var steps: [StepRecord] = []
  /// Calls that were left out.
  public private(set) var missedCount = 0
  private var kind = StepKind.decode
  private var startedAt: UInt64?
  private var calls: [CallRecord] = []
  private var count = 0

  /// Makes room for the calls of one step, each with that many shares.
  public init(callsPerStep: Int, workers: Int) {
    var empty = CallRecord(number: 0, layer: 0, rowCount: 0, dispatchedAt: 0)
    calls = (0..<callsPerStep).map { _ in
      empty.shares = []
      empty.shares.reserveCapacity(workers)
      return empty
    }
  }

  /// A step begins.
  public func beginStep(_ kind: StepKind, at time: UInt64) {
    self.kind = kind
    startedAt = time
    count = 0
  }

  /// The step is over; what was recorded of it is kept.
  public func endStep(at time: UInt64) {
    guard let startedAt else { return }
    steps.append(
      StepRecord(
        kind: kind, startedAt: startedAt, endedAt: time, calls: Array(calls.prefix(count))))
    self.startedAt = nil
  }

  /// Dispatch was called.
  public func dispatching(_ number: UInt64, layer: Int, rowCount: Int, at time: UInt64) {
    guard startedAt != nil else { return }
    guard count < calls.count else {
      missedCount += 1
      return
    }
    calls[count].number = number
    calls[count].layer = layer
    calls[count].rowCount = rowCount
    calls[count].dispatchedAt = time
    calls[count].combineStartedAt = 0
    calls[count].combinedAt = 0
    calls[count].shares.removeAll(keepingCapacity: true)
    count += 1
  }

  /// A share of the call was handed to the socket.
  public func sent(_ number: UInt64, to worker: Int, at time: UInt64) {
    guard let index = index(of: number) else { return }
    calls[index].shares.append(ShareRecord(worker: worker, sentAt: time))
  }

  /// The answer to a share came; the worker's times are by its clock.
  public func replied(_ number: UInt64, _ reply: ShareRecord) {
    guard let index = index(of: number),
      let share = calls[index].shares.firstIndex(where: {
        $0.worker == reply.worker && $0.arrivedAt == 0
      })
    else { return }
    let sentAt = calls[index].shares[share].sentAt
    calls[index].shares[share] = reply
    calls[index].shares[share].sentAt = sentAt
  }

  /// Combine was called, and returned.
  public func combined(_ number: UInt64, from start: UInt64, to end: UInt64) {
    guard let index = index(of: number) else { return }
    calls[index].combineStartedAt = start
    calls[index].combinedAt = end
  }

  private func index(of number: UInt64) -> Int? {
    var index = count - 1
    while index >= 0 {
      if calls[index].number == number { return index }
      index -= 1
    }
    return nil
  }
}
