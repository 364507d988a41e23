/// When the replies of a link come: learns an upper bound that few exceed, by the size of a call.
///
/// The bound of a size rises quickly with slow replies and sinks slowly with fast ones, so that
/// about one in a hundred is above it. One reply moves it by a tenth at most: a process that stood
/// still for seconds says nothing about the next replies, for which nobody shall wait as long, and a few
/// late replies in a thousand shall not become what is usual.
package struct ReplyTimes {
  /// How far above the bound a reply is late.
  private static let factor = 3.0
  /// No reply is late before this: other programs may hold up a processor that long, two time slices.
  private static let floor: Duration = .milliseconds(8)
  /// By how much of itself one reply raises the bound, at most.
  private static let mostRise = 0.1
  /// How much later than late a reply counts as missing.
  private static let lossFactor = 4
  /// No reply is missing before this: machines may stand still that long.
  private static let lossFloor: Duration = .seconds(1)
  /// What counts as late before anything is known.
  private static let unknown: Duration = .milliseconds(400)

  private var bounds: [Double] = Array(repeating: 0, count: 24)  // seconds, by the bits of the size

  package init() {}

  /// Counts a reply to a call of `size` entries.
  package mutating func record(_ time: Duration, size: Int) {
    let seconds = time / .seconds(1)
    let index = Self.index(size)
    let bound = bounds[index]
    if bound == 0 {
      bounds[index] = seconds
    } else if seconds > bound {
      bounds[index] += min((seconds - bound) * 0.2, bound * Self.mostRise)
    } else {
      // Far above everything that comes, it stems from a first reply that was held up.
      let isFarAbove = seconds < bound / 16
      bounds[index] += (seconds - bound) * (isFarAbove ? 0.02 : 0.002)
    }
  }

  /// How long after its sending a call of `size` entries is late.
  package func limit(size: Int) -> Duration { knownLimit(size: size) ?? Self.unknown }

  /// The same, of a worker that has not answered yet and beside which others take `limits`.
  package static func limit(beside limits: some Sequence<Duration>) -> Duration {
    limits.max().map { min($0 * 2, unknown) } ?? unknown
  }

  /// The same; nil when too little is known.
  package func knownLimit(size: Int) -> Duration? {
    bound(Self.index(size)).map { max(.seconds($0 * Self.factor), Self.floor) }
  }

  /// How long after its sending a call of `size` entries will not be answered any more.
  ///
  /// Its reply was dropped, or a thread is stuck. Nil when too little is known.
  package func lossLimit(size: Int) -> Duration? {
    guard let bound = bound(Self.index(size)) else { return nil }
    return max(.seconds(bound * Self.factor) * Self.lossFactor, Self.lossFloor)
  }

  /// The bound of a size, or what the nearest known one suggests.
  private func bound(_ index: Int) -> Double? {
    if bounds[index] > 0 { return bounds[index] }
    for distance in 1..<bounds.count {
      let (smaller, larger) = (index - distance, index + distance)
      if larger < bounds.count, bounds[larger] > 0 { return bounds[larger] }
      if smaller >= 0, bounds[smaller] > 0 {
        return bounds[smaller] * Double(1 << distance)
      }
    }
    return nil
  }

  private static func index(_ size: Int) -> Int {
    min(Int.bitWidth - max(size, 1).leadingZeroBitCount - 1, 23)
  }
}

/// How many calls may be sent twice because an answer is late: one in twenty, some of them at once.
package struct HedgeBudget {
  private static let share = 0.05
  private static let most = 16.0
  private var credit = 4.0
  /// Calls that were sent twice.
  package private(set) var spentCount = 0

  package init() {}

  /// Whether one more may be sent.
  package var allowsOne: Bool { credit >= 1 }

  /// Whether one more may be sent that has waited for very long, so that calls stand still: it may be
  /// earned later.
  package var lendsOne: Bool { credit > -Self.most }

  /// A call was sent for the first time.
  package mutating func earn() { credit = min(credit + Self.share, Self.most) }

  /// A call was sent twice.
  package mutating func spend() {
    credit -= 1
    spentCount += 1
  }
}
