import Synchronization
import Telemetry

/// The engine's figures: written by its thread once per step, read by any.
final class EngineMeter: Sendable {
  private struct State {
    var status = EngineStatus()
    var rate = TokenRate()
  }

  private let state = Mutex(State())

  /// A copy of the figures.
  var status: EngineStatus {
    state.withLock { state in
      state.status.outputTokensPerSecond = state.rate.perSecond(at: MonotonicTime.now)
      return state.status
    }
  }

  /// Changes the figures.
  func update(_ change: (inout EngineStatus) -> Void) {
    state.withLock { change(&$0.status) }
  }

  /// Counts tokens of answers.
  func count(tokens: Int, at time: Duration) {
    state.withLock { state in
      state.status.outputTokens += tokens
      state.rate.add(tokens, at: time)
    }
  }
}

/// Tokens per second over the last ten seconds, one counter for each.
package struct TokenRate: Sendable {
  private static let seconds = 10
  private var counts = Array(repeating: 0, count: TokenRate.seconds)
  private var current: Int64 = 0
  private var start: Duration?

  package init() {}

  /// Counts tokens at a time that does not go back.
  package mutating func add(_ tokens: Int, at time: Duration) {
    if start == nil { start = time }
    advance(to: time)
    counts[Int(current % Int64(Self.seconds))] += tokens
  }

  /// The rate at a time; over less than ten seconds if the first token is younger.
  package mutating func perSecond(at time: Duration) -> Double {
    guard let start else { return 0 }
    advance(to: time)
    let part = Double(time.components.attoseconds) / 1e18
    let span = min(Double(Self.seconds - 1) + part, max((time - start) / .seconds(1), 1e-3))
    return Double(counts.reduce(0, +)) / span
  }

  private mutating func advance(to time: Duration) {
    let second = time.components.seconds
    for passed in 0..<max(0, min(Int64(Self.seconds), second - current)) {
      counts[Int((second - passed) % Int64(Self.seconds))] = 0
    }
    current = max(current, second)
  }
}
