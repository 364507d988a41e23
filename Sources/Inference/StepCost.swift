/// How long steps take, learned from those that were run; holds no clock.
///
/// Steps are sorted into classes by their rows, two per power of two, each with a running mean.
/// Between classes the estimate is linear; beyond the largest it grows in proportion, which is too
/// much because a step has a fixed cost, so that a caller who stays within a limit feels its way up.
package struct StepCost: Sendable {
  private struct Mean {
    var rows = 0.0
    var seconds = 0.0
    var count = 0
    var lastStep = 0
  }

  /// How much the newest step counts in its class.
  private static let share = 0.25
  /// One step counts as at most this many times the mean, so that a stall does not linger.
  private static let outlierFactor = 4.0
  /// A class is forgotten after this many steps without one of its own, if a larger one is known.
  private static let memory = 4096
  /// Steps after which a class's mean is taken for what it says.
  private static let enough = 3

  private var classes: [Mean?] = Array(repeating: nil, count: 64)
  private var stepCount = 0

  package init() {}

  /// Takes a step of `rows` rows, at least 1, into account.
  package mutating func record(rows: Int, seconds: Double) {
    guard rows > 0, seconds.isFinite, seconds >= 0 else { return }
    stepCount += 1
    let index = Self.classIndex(rows)
    guard var mean = classes[index], stepCount - mean.lastStep < Self.memory else {
      classes[index] = Mean(rows: Double(rows), seconds: seconds, count: 1, lastStep: stepCount)
      return
    }
    let bounded = min(seconds, Self.outlierFactor * max(mean.seconds, 1e-6))
    mean.rows += Self.share * (Double(rows) - mean.rows)
    mean.seconds += Self.share * (bounded - mean.seconds)
    mean.count += 1
    mean.lastStep = stepCount
    classes[index] = mean
  }

  /// The time of a step of `rows` rows, in seconds; nil when none has been seen.
  package func seconds(rows: Int) -> Double? {
    let rows = Double(rows)
    var below: Mean?
    for case .some(var mean) in classes {
      // More rows never take less time; what says so is noise.
      if let below { mean.seconds = max(mean.seconds, below.seconds) }
      guard mean.rows < rows else {
        guard let below, mean.rows > below.rows else { return mean.seconds }
        let position = (rows - below.rows) / (mean.rows - below.rows)
        return below.seconds + position * (mean.seconds - below.seconds)
      }
      below = mean
    }
    return below.map { $0.seconds * rows / $0.rows }
  }

  /// Whether steps of about so many rows have been run of late, more than once or twice.
  package func isKnown(rows: Int) -> Bool {
    guard rows > 0, let mean = classes[Self.classIndex(rows)] else { return false }
    return mean.count >= Self.enough && stepCount - mean.lastStep < Self.memory
  }

  /// The most rows, up to `most`, that can join `rows` others within a time; nil when unknown.
  package func rowsThatFit(beside rows: Int, within seconds: Double, most: Int) -> Int? {
    guard self.seconds(rows: max(rows, 1)) != nil else { return nil }
    var fits = 0
    var tooMany = most + 1
    while tooMany - fits > 1 {
      let middle = (fits + tooMany) / 2
      if let time = self.seconds(rows: rows + middle), time <= seconds {
        fits = middle
      } else {
        tooMany = middle
      }
    }
    return fits
  }

  /// Classes of 1, 2, 3, 4-5, 6-7, 8-11, 12-15 rows and so on.
  private static func classIndex(_ rows: Int) -> Int {
    let exponent = Int.bitWidth - 1 - rows.leadingZeroBitCount
    let half = exponent > 0 ? rows >> (exponent - 1) & 1 : 0
    return min(2 * exponent + half, 63)
  }
}
