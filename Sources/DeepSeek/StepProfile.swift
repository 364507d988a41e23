import Foundation

/// A part of a step, as measurements tell them apart.
public enum StepPart: Int, CaseIterable, Sendable {
  /// The projections around attention, with what encodes for them.
  case attentionProjections
  /// Scores and sums over the cached positions.
  case attention
  /// Scoring and choosing experts.
  case router
  /// Routed experts, wherever they are.
  case experts
  /// Shared experts.
  case shared
  /// Feed-forward networks of layers without experts.
  case dense
  /// The projection to the vocabulary.
  case head
  /// Embedding, norms and sums of the residual stream.
  case rest
}

/// Adds up where the time of steps goes, when a model is told to keep one.
///
/// Costs two clock readings for every part of every layer, some microseconds per step.
public final class StepProfile {
  private var times: [UInt64] = Array(repeating: 0, count: StepPart.allCases.count)
  private var part = StepPart.rest
  private var since: UInt64?

  /// Starts with zeros.
  public init() {}

  /// The time spent in a part so far.
  public func duration(of part: StepPart) -> Duration {
    .nanoseconds(Int64(clamping: times[part.rawValue]))
  }

  /// Ends the current part, if there is one, and begins another.
  func enter(_ next: StepPart) {
    let now = monotonicNanoseconds()
    if let since { times[part.rawValue] &+= now &- since }
    since = now
    part = next
  }

  /// Ends the current part; the time until the next one is nobody's.
  func leave() {
    enter(.rest)
    since = nil
  }
}

/// The monotonic clock, in nanoseconds.
func monotonicNanoseconds() -> UInt64 {
  var time = timespec()
  unsafe clock_gettime(CLOCK_MONOTONIC, &time)
  return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
}
