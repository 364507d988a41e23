/// How much happened in the last seconds, whole ones.
package struct RateWindow: Sendable {
  private static let seconds = 10
  private var counts = Array(repeating: 0, count: RateWindow.seconds + 1)  // ring, by second
  private var second = 0

  package init() {}

  /// Counts `amount` now.
  package mutating func add(_ amount: Int, at time: Duration) {
    advance(to: time)
    counts[second % counts.count] += amount
  }

  /// The amount per second over the last whole seconds.
  package mutating func perSecond(at time: Duration) -> Double {
    advance(to: time)
    let complete = counts.reduce(0, +) - counts[second % counts.count]
    return Double(complete) / Double(min(max(second, 1), Self.seconds))
  }

  private mutating func advance(to time: Duration) {
    let now = Int(time / .seconds(1))
    guard now > second else { return }
    for passed in (second + 1)...min(now, second + counts.count) {
      counts[passed % counts.count] = 0
    }
    // The ring may have been skipped whole; then every place is zero already.
    second = now
  }
}
