/// How long to wait for the next chunk before a transfer is tried over another connection.
///
/// A second at first; longer each time that nothing came, and where chunks have taken long, so that a
/// slow link is not given up in the middle of a chunk.
package struct TransferPatience {
  /// Connections over which nothing came that are tried one after another.
  static let mostTries = 7
  private static let least: Duration = .seconds(1)
  /// How much longer than the slowest chunk so far the next one may take.
  private static let factor = 4

  private let most: Duration
  private var limit: Duration
  private var slowest = Duration.zero
  private var since: Duration
  private var tries = 1

  /// Starts to wait at `time`, at most `most` each time.
  package init(most: Duration, at time: Duration) {
    self.most = most
    limit = min(Self.least, most)
    since = time
  }

  /// Begins to wait for more, over a connection that works: what chunks have taken is known, though a
  /// stall does not count for ever.
  package mutating func begin(at time: Duration) {
    slowest = slowest / 2
    limit = usualLimit
    since = time
    tries = 1
  }

  /// Something came.
  package mutating func arrived(at time: Duration) {
    slowest = max(slowest, time - since)
    limit = usualLimit
    since = time
    tries = 1
  }

  private var usualLimit: Duration { min(max(Self.least, slowest * Self.factor), most) }

  /// Whether nothing has come for too long.
  package func isExhausted(at time: Duration) -> Bool { time - since > limit }

  /// Waits again, twice as long; false when that has been done often enough.
  package mutating func tryAgain(at time: Duration) -> Bool {
    limit = min(limit * 2, most)
    since = time
    tries += 1
    return tries <= Self.mostTries
  }
}
