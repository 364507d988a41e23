import Dispatch
import Synchronization

/// Requests in the order in which they came, handed from any thread to the engine's.
final class RequestQueue: Sendable {
  private struct State {
    var waiting: [Job] = []
    var running: Job?
    var isClosed = false
    var isFinished = false
    var waiters: [CheckedContinuation<Void, Never>] = []
  }

  private let limit: Int
  private let state = Mutex(State())
  private let wakeUp = DispatchSemaphore(value: 0)

  init(limit: Int) {
    self.limit = limit
  }

  var waitingCount: Int { state.withLock { $0.waiting.count } }

  /// Adds a job at the end.
  func append(_ job: Job) throws(InferenceError) {
    try state.withLock { (state) throws(InferenceError) in
      guard !state.isClosed else { throw .shuttingDown }
      guard state.waiting.count < limit else { throw .queueFull(limit: limit) }
      state.waiting.append(job)
    }
    wakeUp.signal()
  }

  /// Waits for the next job; nil once the queue is closed and empty.
  func next() -> Job? {
    while true {
      let (job, isOver) = state.withLock { state in
        state.running = state.waiting.isEmpty ? nil : state.waiting.removeFirst()
        return (state.running, state.isClosed && state.running == nil)
      }
      if job != nil || isOver { return job }
      wakeUp.wait()
    }
  }

  /// Ends a job before its next step, or takes it out of the queue.
  func cancel(_ job: Job) {
    job.cancel()
    let waited = state.withLock { state in
      let index = state.waiting.firstIndex { $0 === job }
      return index.map { state.waiting.remove(at: $0) } != nil
    }
    if waited { job.end() }
  }

  /// Accepts no more jobs; with `cancelling`, the waiting ones are refused, the running one ends.
  func close(cancelling: Bool) {
    let refused = state.withLock { state in
      state.isClosed = true
      guard cancelling else { return [Job]() }
      state.running?.cancel()
      defer { state.waiting = [] }
      return state.waiting
    }
    for job in refused { job.end(.shuttingDown) }
    wakeUp.signal()
  }

  /// To be called when the engine's thread ends.
  func finished() {
    let waiters = state.withLock { state in
      state.isFinished = true
      defer { state.waiters = [] }
      return state.waiters
    }
    for waiter in waiters { waiter.resume() }
  }

  /// Returns when `finished` has been called.
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
