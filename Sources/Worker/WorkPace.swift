/// How long a dispatch may take before the compute thread counts as stuck: learns from those before.
///
/// The pace per entry sinks slowly and rises at once. An entry costs most where there are few, so that
/// what small dispatches took bounds what large ones may take.
struct WorkPace {
  private static let factor = 20.0
  /// Nothing is stuck before this: machines may stand still that long.
  private static let floor: Duration = .seconds(2)

  private var secondsPerEntry = 0.0

  /// Counts a dispatch of `size` entries.
  mutating func record(_ time: Duration, size: Int) {
    let pace = time / .seconds(1) / Double(max(size, 1))
    secondsPerEntry = max(pace, secondsPerEntry * 0.999)
  }

  /// How long a dispatch of `size` entries may take; at most `most`, which holds while nothing is known.
  func limit(size: Int, most: Duration) -> Duration {
    guard secondsPerEntry > 0 else { return most }
    return min(max(.seconds(secondsPerEntry * Double(size) * Self.factor), Self.floor), most)
  }
}
