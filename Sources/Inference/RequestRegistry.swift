import Synchronization

/// Requests with an id, under way or finished not long ago.
final class RequestRegistry: Sendable {
  /// A tenant sees its own requests only.
  struct Key: Hashable, Sendable {
    let tenant: String?
    let id: RequestID
  }

  private struct State {
    var requests: [Key: [Submission]] = [:]  // empty while one is being accepted
    var finished: [(key: Key, time: Duration)] = []  // oldest first
  }

  private let limit: Int
  private let duration: Duration
  private let state = Mutex(State())

  init(limit: Int, duration: Duration) {
    self.limit = limit
    self.duration = duration
  }

  /// Takes an id for a request that is about to be accepted.
  func reserve(_ key: Key, at time: Duration) throws(InferenceError) {
    try state.withLock { (state) throws(InferenceError) in
      forget(&state, at: time)
      guard state.requests[key] == nil else { throw .duplicateID(key.id) }
      state.requests[key] = []
    }
  }

  /// Fills in the choices of a request.
  func set(_ submissions: [Submission], for key: Key) {
    state.withLock { $0.requests[key] = submissions }
  }

  /// Gives an id back that came to nothing.
  func drop(_ key: Key) { state.withLock { $0.requests[key] = nil } }

  /// Notes that all choices are over; they stay for a while.
  func finish(_ key: Key, at time: Duration) {
    state.withLock { state in
      state.finished.append((key, time))
      forget(&state, at: time)
    }
  }

  /// One choice of a request, if it is known.
  func submission(_ key: Key, choice: Int, at time: Duration) -> Submission? {
    state.withLock { state in
      forget(&state, at: time)
      guard let choices = state.requests[key], choices.indices.contains(choice) else { return nil }
      return choices[choice]
    }
  }

  private func forget(_ state: inout State, at time: Duration) {
    var count = max(0, state.finished.count - limit)
    while count < state.finished.count, state.finished[count].time + duration <= time { count += 1 }
    for (key, _) in state.finished.prefix(count) { state.requests[key] = nil }
    state.finished.removeFirst(count)
  }
}
