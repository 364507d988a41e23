import Synchronization

/// The owner of a key while the server runs: limits and what is left of them.
package final class Account: Sendable {
  /// What logs and metrics call the owner.
  package let name: String
  private let state: Mutex<State>

  private struct State {
    var limits: APIKey.Limits
    var requests: TokenBucket?
    var minuteTokens: TokenBucket?
    var dayTokens: TokenBucket?
    var usage = Usage()
  }

  /// What was asked with a key since the server started.
  package struct Usage: Equatable, Sendable {
    package fileprivate(set) var requests = 0
    package fileprivate(set) var promptTokens = 0
    package fileprivate(set) var outputTokens = 0
    package fileprivate(set) var refusals = 0
  }

  /// Why a request has to wait.
  package struct Refusal: Equatable, Sendable {
    package let limit: String
    package let wait: Duration
  }

  /// What is left of a minute's limits, for the headers of a response.
  struct Remaining: Equatable, Sendable {
    var requests: (limit: Int, left: Int)?
    var tokens: (limit: Int, left: Int)?

    static func == (left: Self, right: Self) -> Bool {
      left.requests?.limit == right.requests?.limit && left.requests?.left == right.requests?.left
        && left.tokens?.limit == right.tokens?.limit && left.tokens?.left == right.tokens?.left
    }
  }

  package init(name: String, limits: APIKey.Limits, at time: Duration) {
    self.name = name
    state = Mutex(State(limits: limits))
    setBuckets(limits, at: time)
  }

  /// Whose requests run first.
  var priority: APIKey.Priority { state.withLock { $0.limits.priority } }

  package var usage: Usage { state.withLock { $0.usage } }

  /// Takes over the limits of a changed file; what was used stays used where a limit is the same.
  package func change(to limits: APIKey.Limits, at time: Duration) {
    let isSame = state.withLock { $0.limits == limits }
    if !isSame { setBuckets(limits, at: time) }
  }

  private func setBuckets(_ limits: APIKey.Limits, at time: Duration) {
    func bucket(_ new: Int?, _ old: Int?, _ present: TokenBucket?, _ period: Duration)
      -> TokenBucket?
    {
      if new == old, let present { return present }
      return new.map { TokenBucket(capacity: $0, period: period, at: time) }
    }
    state.withLock { state in
      let old = state.limits
      state.requests = bucket(
        limits.requestsPerMinute, old.requestsPerMinute, state.requests, .seconds(60))
      state.minuteTokens = bucket(
        limits.tokensPerMinute, old.tokensPerMinute, state.minuteTokens, .seconds(60))
      state.dayTokens = bucket(
        limits.tokensPerDay, old.tokensPerDay, state.dayTokens, .seconds(86_400))
      state.limits = limits
    }
  }

  /// Counts a request, unless one of the limits is used up.
  package func admit(at time: Duration) -> Refusal? {
    state.withLock { state in
      let waits = [
        ("requests-per-minute", state.requests?.wait(for: 1, at: time)),
        ("tokens-per-minute", state.minuteTokens?.wait(for: 1, at: time)),
        ("tokens-per-day", state.dayTokens?.wait(for: 1, at: time)),
      ]
      let longest = waits.max { ($0.1 ?? .zero) < ($1.1 ?? .zero) }
      if let (limit, wait) = longest, let wait, wait > .zero {
        state.usage.refusals += 1
        return Refusal(limit: limit, wait: wait)
      }
      state.requests?.charge(1, at: time)
      state.usage.requests += 1
      return nil
    }
  }

  /// Counts tokens, as they are taken in or come out.
  package func charge(prompt: Int = 0, output: Int = 0, at time: Duration) {
    state.withLock { state in
      state.minuteTokens?.charge(prompt + output, at: time)
      state.dayTokens?.charge(prompt + output, at: time)
      state.usage.promptTokens += prompt
      state.usage.outputTokens += output
    }
  }

  func remaining(at time: Duration) -> Remaining {
    state.withLock { state in
      var remaining = Remaining()
      if let limit = state.limits.requestsPerMinute, let left = state.requests?.remaining(at: time)
      {
        remaining.requests = (limit, left)
      }
      if let limit = state.limits.tokensPerMinute,
        let left = state.minuteTokens?.remaining(at: time)
      {
        remaining.tokens = (limit, left)
      }
      return remaining
    }
  }
}
