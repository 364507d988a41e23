import Dispatch
import Synchronization
import Telemetry

/// What other threads tell the engine's: new requests, cancelled ones, and when to stop.
final class EngineInbox: Sendable {
  /// What has come since the last look.
  struct Mail: Sendable {
    var submissions: [Submission] = []
    var cancelled: [SequenceID] = []
    var isClosed = false
    var isCancelling = false

    var isEmpty: Bool { submissions.isEmpty && cancelled.isEmpty && !isClosed }
  }

  private struct State {
    var mail = Mail()
    var waiting: [SequenceID: Submission] = [:]  // until their first step
    var isFinished = false
    var lastNumber: UInt64 = 0
    var waiters: [CheckedContinuation<Void, Never>] = []

    /// Beyond the limit there is room for a few of each tenant, so that none can keep others out.
    func hasRoom(for count: Int, of tenant: String?, limit: Int) -> Bool {
      if waiting.count + count <= limit { return true }
      guard waiting.count + count <= 2 * limit else { return false }
      let own = waiting.values.count { $0.request.tenant == tenant }
      return own + count <= max(1, limit / 8)
    }
  }

  /// How many requests may wait.
  let limit: Int
  private let state = Mutex(State())
  private let wakeUp = DispatchSemaphore(value: 0)
  private let heartbeat: Heartbeat?

  /// An inbox for `limit` requests, and the heartbeat of the thread that reads it.
  init(limit: Int, heartbeat: Heartbeat? = nil) {
    self.limit = limit
    self.heartbeat = heartbeat
  }

  /// Requests that wait for their first step.
  var waitingCount: Int { state.withLock { $0.waiting.count } }

  /// Whether `count` more requests of a tenant may wait, if no others come first.
  func hasRoom(for count: Int, of tenant: String?) -> Bool {
    state.withLock { $0.hasRoom(for: count, of: tenant, limit: limit) }
  }

  /// Adds requests that `make` creates from their numbers, all or none.
  @discardableResult
  func append(
    _ count: Int, of tenant: String?, ignoresLimit: Bool = false,
    _ make: (SequenceID) -> Submission
  ) throws(InferenceError) -> [Submission] {
    let submissions = try state.withLock { (state) throws(InferenceError) in
      guard !state.mail.isClosed else { throw .shuttingDown }
      guard ignoresLimit || state.hasRoom(for: count, of: tenant, limit: limit) else {
        throw .queueFull(limit: limit)
      }
      let submissions = (1...UInt64(count)).map { make(SequenceID(number: state.lastNumber + $0)) }
      state.lastNumber += UInt64(count)
      for submission in submissions { state.waiting[submission.id] = submission }
      state.mail.submissions += submissions
      return submissions
    }
    heartbeat?.wake()
    wakeUp.signal()
    return submissions
  }

  /// Tells the engine that nobody wants a request any more.
  func cancel(_ id: SequenceID) {
    state.withLock { $0.mail.cancelled.append(id) }
    wakeUp.signal()
  }

  /// Notes that a request waits no more.
  func leaveQueue(_ id: SequenceID) { state.withLock { _ = $0.waiting.removeValue(forKey: id) } }

  /// Accepts nothing more; with `cancelling`, what waits is refused at once.
  func close(cancelling: Bool) {
    let refused = state.withLock { state in
      state.mail.isClosed = true
      state.mail.isCancelling = state.mail.isCancelling || cancelling
      return cancelling ? state.waiting.values.sorted { $0.id < $1.id } : []
    }
    for submission in refused { submission.end(.interrupted(nil)) }
    wakeUp.signal()
  }

  /// What has come; waits for something if there is nothing else to do.
  func take(waiting: Bool) -> Mail {
    while true {
      let mail = state.withLock { state in
        let mail = state.mail
        state.mail.submissions = []
        state.mail.cancelled = []
        return mail
      }
      if !waiting || !mail.isEmpty { return mail }
      wakeUp.wait()
    }
  }

  /// To be called when the engine's thread ends.
  func finish() {
    let waiters = state.withLock { state in
      state.isFinished = true
      defer { state.waiters = [] }
      return state.waiters
    }
    for waiter in waiters { waiter.resume() }
  }

  /// Returns when `finish` has been called.
  func waitUntilFinished() async {
    await withCheckedContinuation { waiter in
      let isFinished = state.withLock { state in
        if !state.isFinished { state.waiters.append(waiter) }
        return state.isFinished
      }
      if isFinished { waiter.resume() }
    }
  }
}
