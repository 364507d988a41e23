/// Whether a step is run in parts, so that one part computes while another one's experts are away.
///
/// Rows do not depend on one another, so the answer is the same.
public enum Overlap: Sendable, Equatable {
  /// All rows together: the least work.
  case off
  /// As was faster of late, among steps of about as many rows.
  case automatic
  /// Always in this many parts, as far as there are rows.
  case fixed(Int)

  /// The most parts of a step.
  public static let mostParts = 4

  /// Parts that room is made for.
  var partLimit: Int {
    switch self {
    case .off: 1
    case .automatic: 2
    case .fixed(let count): min(max(count, 1), Self.mostParts)
    }
  }
}

/// Learns in how many parts steps are fastest; holds no clock.
///
/// Steps are sorted into classes by their rows. Each class tries both ways a few times, keeps to the
/// better one, and tries the other one again now and then, ever less often while it loses.
package struct OverlapTuner {
  /// Steps of one class that were run in one way.
  private struct Way {
    var seconds = 0.0
    var count = 0

    /// The first steps count by the best of them: they may have touched memory for the first time.
    mutating func record(_ time: Double) {
      count += 1
      if count <= OverlapTuner.trial {
        seconds = count == 1 ? time : min(seconds, time)
      } else {
        seconds += OverlapTuner.share * (min(time, 2 * seconds) - seconds)
      }
    }
  }

  private struct Class {
    var ways = [Way(), Way()]  // whole, in parts
    var steps = 0
    var nextTrial = 64
    var interval = 64
    var waited = 0.0  // share of a whole step's time

    var isFasterSplit: Bool { ways[1].count > 0 && ways[1].seconds < ways[0].seconds }
  }

  private static let trial = 3
  private static let share = 0.2
  private static let longestInterval = 2048
  /// Without at least this share of waiting in a step there is nothing to be won.
  private static let leastWait = 0.05

  private var classes: [Class] = Array(repeating: Class(), count: 64)

  package init() {}

  /// Whether the next step of `rows` rows shall be run in parts.
  package func splits(rows: Int) -> Bool {
    guard rows >= 2 else { return false }
    let known = classes[Self.index(rows)]
    if known.ways[0].count < Self.trial { return false }
    guard known.waited >= Self.leastWait else { return false }
    if known.ways[1].count < Self.trial { return true }
    let isFaster = known.ways[1].seconds < known.ways[0].seconds
    return known.steps >= known.nextTrial ? !isFaster : isFaster
  }

  /// Takes note of a step's time, and of how much of it the experts were waited for.
  package mutating func record(rows: Int, isSplit: Bool, seconds: Double, waited: Double) {
    guard rows >= 2, seconds > 0 else { return }
    let index = Self.index(rows)
    classes[index].steps += 1
    let wasFaster = classes[index].isFasterSplit
    classes[index].ways[isSplit ? 1 : 0].record(seconds)
    if !isSplit { classes[index].waited += 0.5 * (waited / seconds - classes[index].waited) }
    guard classes[index].steps > classes[index].nextTrial + 1 else { return }
    // Two steps the other way are a trial.
    let interval = classes[index].isFasterSplit == wasFaster ? 2 * classes[index].interval : 64
    classes[index].interval = min(interval, Self.longestInterval)
    classes[index].nextTrial = classes[index].steps + classes[index].interval
  }

  /// Classes of 2, 3, 4-5, 6-7, 8-11 rows and so on.
  private static func index(_ rows: Int) -> Int {
    let exponent = Int.bitWidth - 1 - rows.leadingZeroBitCount
    return min(2 * exponent + (rows >> (exponent - 1) & 1), 63)
  }
}
