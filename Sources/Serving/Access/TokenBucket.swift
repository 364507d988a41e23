/// A budget that fills steadily: what is asked for is taken out, and waits while there is nothing.
///
/// Holds no clock: time is a value. Charging may overdraw it, because the length of an answer is
/// known only as it comes; whoever overdraws waits longer.
package struct TokenBucket: Equatable, Sendable {
  package private(set) var capacity: Double
  private var perSecond: Double
  private var level: Double
  private var filledAt: Duration

  /// A full bucket of `capacity` that fills in `period`.
  package init(capacity: Int, period: Duration, at time: Duration) {
    self.capacity = Double(capacity)
    perSecond = Double(capacity) / (period / .seconds(1))
    level = Double(capacity)
    filledAt = time
  }

  /// Takes `amount` out whatever is left.
  package mutating func charge(_ amount: Int, at time: Duration) {
    fill(at: time)
    level -= Double(amount)
  }

  /// How long until `amount` is there, or the bucket is full.
  package mutating func wait(for amount: Int, at time: Duration) -> Duration {
    fill(at: time)
    let missing = min(Double(amount), capacity) - level
    return missing <= 0 ? .zero : .seconds(missing / perSecond)
  }

  /// What is left, never negative.
  package mutating func remaining(at time: Duration) -> Int {
    fill(at: time)
    return Int(max(level, 0))
  }

  private mutating func fill(at time: Duration) {
    guard time > filledAt else { return }
    level = min(capacity, level + perSecond * ((time - filledAt) / .seconds(1)))
    filledAt = time
  }
}
