public import ModelFiles

/// One life of a worker in a cluster: random, drawn anew each time that it joins, never 0.
public struct Incarnation: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
  /// The number on the wire.
  public let rawValue: UInt64

  /// The incarnation with that number; nil for 0.
  public init?(rawValue: UInt64) {
    guard rawValue != 0 else { return nil }
    self.rawValue = rawValue
  }

  /// A fresh incarnation from the system's random source.
  public static func random() -> Incarnation {
    Incarnation(uncheckedRawValue: .random(in: 1 ... .max))
  }

  private init(uncheckedRawValue: UInt64) { rawValue = uncheckedRawValue }

  /// Sixteen hexadecimal digits.
  public var description: String {
    let digits = String(rawValue, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}

/// A version of the placement; grows with each change, 0 before the first.
///
/// The term of the coordinator that decided it comes first: whatever a newer coordinator decides is
/// above whatever an older one does.
public struct Epoch: RawRepresentable, Hashable, Comparable, Sendable {
  /// The number on the wire.
  public let rawValue: UInt64

  /// The epoch with that number.
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// The first placement of a coordinator's term.
  package static func first(ofTerm term: UInt64) -> Epoch {
    Epoch(rawValue: min(term, .max >> placementBits) << placementBits | 1)
  }

  /// The term of the coordinator.
  package var term: UInt64 { rawValue >> Self.placementBits }

  private static let placementBits: UInt64 = 24

  /// Whether `left` is older than `right`.
  public static func < (left: Epoch, right: Epoch) -> Bool { left.rawValue < right.rawValue }
}

extension ModelDigest {
  /// The first 8 bytes, big-endian: enough for data messages to tell models apart.
  public var short: UInt64 { bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) } }
}
