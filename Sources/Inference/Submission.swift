import Synchronization

/// A request that has been accepted, its events, and those who read them.
///
/// Events of a request with an id are kept, so that readers can come and go. Buffers hold at most
/// the events of `maxTokens` tokens, and nothing waits for a reader.
final class Submission: Sendable {
  /// The end of a request.
  enum Outcome: Sendable {
    /// `finished` was the last event.
    case finished(GenerationSummary)
    case failed(InferenceError)
    /// It was cancelled before its first step.
    case withdrawn
    /// The engine was stopped, before the first step or after some; after a restart a durable
    /// request goes on.
    case interrupted(GenerationSummary?)
  }

  private enum Phase { case waiting, running, ended }

  private struct Reader {
    let number: Int
    let firstEvent: Int
    let continuation: GenerationEvents.Batches.Continuation
  }

  private struct State {
    var phase = Phase.waiting
    var isCancelled = false
    var events: [GenerationEvent] = []  // all of them if the request has an id
    var eventCount = 0
    var outcome: Outcome?
    var readers: [Reader] = []
    var readerCount = 0
  }

  let id: SequenceID
  let request: GenerationRequest
  /// The first of several choices of one request, whose prompt this one shares.
  let leader: SequenceID?
  /// When it was submitted.
  let time: Duration
  private let inbox: EngineInbox
  private let onEnd: @Sendable (Outcome) -> Void
  private let state = Mutex(State())

  init(
    _ id: SequenceID, _ request: GenerationRequest, leader: SequenceID?, time: Duration,
    inbox: EngineInbox, onEnd: @escaping @Sendable (Outcome) -> Void
  ) {
    self.id = id
    self.request = request
    self.leader = leader
    self.time = time
    self.inbox = inbox
    self.onEnd = onEnd
  }

  var isCancelled: Bool { state.withLock { $0.isCancelled } }
  var hasEnded: Bool { state.withLock { $0.phase == .ended } }

  // MARK: readers

  /// The events from number `first` on, and `finished` in any case.
  func attach(from first: Int) -> Generation {
    let (batches, continuation) = GenerationEvents.Batches.makeStream()
    let (number, outcome) = state.withLock { state in
      continuation.yield(Array(state.events.dropFirst(first)))
      if let summary = state.outcome?.summary, state.events.count <= first {
        continuation.yield([.finished(summary)])
      }
      state.readerCount += 1
      let reader = Reader(
        number: state.readerCount, firstEvent: first, continuation: continuation)
      if state.outcome == nil { state.readers.append(reader) }
      return (reader.number, state.outcome)
    }
    if let outcome {
      continuation.finish(throwing: outcome.error)
    } else {
      continuation.onTermination = { [self] _ in detach(number) }
    }
    return Generation(
      events: GenerationEvents(batches), id: request.id, onNudge: { continuation.yield([]) },
      onCancel: { [self] in cancel() })
  }

  private func detach(_ number: Int) {
    let isAbandoned = state.withLock { state in
      state.readers.removeAll { $0.number == number }
      return state.readers.isEmpty && state.phase != .ended
    }
    if isAbandoned && !(request.outlivesReader && request.id != nil) { cancel() }
  }

  /// Ends the request before its next step, or at once when it still waits.
  func cancel() {
    let waited = state.withLock { state in
      guard state.phase != .ended, !state.isCancelled else { return nil as Bool? }
      state.isCancelled = true
      return state.phase == .waiting
    }
    guard let waited else { return }
    if waited { end(.withdrawn) }
    inbox.cancel(id)
  }

  // MARK: the engine's thread

  /// Notes that it waits no more.
  func start() {
    let waited = state.withLock { state in
      guard state.phase == .waiting else { return false }
      state.phase = .running
      return true
    }
    if waited { inbox.leaveQueue(id) }
  }

  /// Hands out the events of a step, together: a reader that waits is woken once.
  func emit(_ events: [GenerationEvent]) {
    state.withLock { state in
      guard state.phase != .ended else { return }
      let first = state.eventCount
      state.eventCount += events.count
      if request.id != nil { state.events += events }
      for reader in state.readers {
        let unread = events.dropFirst(max(reader.firstEvent - first, 0))
        if !unread.isEmpty { reader.continuation.yield(Array(unread)) }
      }
    }
  }

  /// Ends it, unless it has ended.
  func end(_ outcome: Outcome) {
    let (readers, waited) = state.withLock { state in
      guard state.phase != .ended else { return ([Reader](), nil as Bool?) }
      defer {
        state.phase = .ended
        state.readers = []
      }
      state.outcome = outcome
      if let summary = outcome.summary {
        if request.id != nil { state.events.append(.finished(summary)) }
        // Who has seen every event before hears that it is over, too.
        for reader in state.readers { reader.continuation.yield([.finished(summary)]) }
      }
      return (state.readers, state.phase == .waiting)
    }
    guard let waited else { return }
    if waited { inbox.leaveQueue(id) }
    for reader in readers { reader.continuation.finish(throwing: outcome.error) }
    onEnd(outcome)
  }
}

extension Submission.Outcome {
  /// What readers get instead of a summary.
  var error: InferenceError? {
    switch self {
    case .finished, .withdrawn: nil
    case .failed(let error): error
    case .interrupted(let summary): summary == nil ? .shuttingDown : nil
    }
  }

  /// What the last event says.
  var summary: GenerationSummary? {
    switch self {
    case .finished(let summary): summary
    case .interrupted(let summary): summary
    case .failed, .withdrawn: nil
    }
  }
}
