/// The two ways through a link.
public enum LinkDirection: String, Sendable, CaseIterable {
  /// From the side that connects to the side that listens.
  case forward
  /// From the side that listens to the side that connected.
  case backward
}

/// What a link does to bytes that go one way.
public struct LinkConditions: Sendable, Equatable {
  /// Nanoseconds from the last bit on the line to its arrival.
  public var delay: UInt64 = 0
  /// Up to so many nanoseconds more, drawn evenly for each burst.
  public var jitter: UInt64 = 0
  /// The share of bursts that come later by `spike`, 0…1.
  public var spikeProbability = 0.0
  /// Nanoseconds by which such bursts are late.
  public var spike: UInt64 = 0
  /// Bytes that the line carries in a second; nil is without limit.
  public var bytesPerSecond: Double?
  /// The probability that a byte arrives with one bit flipped, 0…1.
  public var flipProbability = 0.0
  /// Whether bytes vanish, while both sides believe that the connection stands.
  public var isDropping = false
  /// When bytes are let through again that are held back now; 0 when none are, in nanoseconds.
  public var stalledUntil: UInt64 = 0

  /// A link that passes everything on at once.
  public init() {}
}
