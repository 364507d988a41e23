/// How long a dispatch may take before the compute thread counts as stuck: learns from those before.
///
/// The pace per entry sinks slowly and rises by half of itself at most: one dispatch during which the
/// process stood still does not count as what they take. An entry costs most where there are few, so that
/// what small dispatches took bounds what large ones may take.
package struct WorkPace {
  private static let factor = 20.0
  /// Nothing is stuck before this: machines may stand still that long.
  private static let floor: Duration = .seconds(2)

  private var secondsPerEntry = 0.0

  /// Nothing is known yet.
  package init() {}

  /// Counts a dispatch of `size` entries.
  package mutating func record(_ time: Duration, size: Int) {
    let pace = time / .seconds(1) / Double(max(size, 1))
    guard secondsPerEntry > 0 else {
      secondsPerEntry = pace
      return
    }
    let sinking = pace < secondsPerEntry / 16 ? 0.98 : 0.999
    secondsPerEntry = max(min(pace, secondsPerEntry * 1.5), secondsPerEntry * sinking)
  }

  /// How long a dispatch of `size` entries may take; at most `most`, which holds while nothing is known.
  package func limit(size: Int, most: Duration) -> Duration {
    guard secondsPerEntry > 0 else { return most }
    return min(max(.seconds(secondsPerEntry * Double(size) * Self.factor), Self.floor), most)
  }
}
