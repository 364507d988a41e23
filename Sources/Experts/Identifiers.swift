/// The index of a transformer layer, 0-based over the whole model (dense layers count).
public struct LayerIndex: RawRepresentable, Hashable, Comparable, Sendable,
  CustomStringConvertible
{
  /// The index as a number.
  public let rawValue: Int

  /// Names layer `rawValue`.
  public init(rawValue: Int) { self.rawValue = rawValue }

  /// Names layer `value`.
  public init(_ value: Int) { rawValue = value }

  /// Whether one layer comes before another.
  public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

  /// The bare number.
  public var description: String { "\(rawValue)" }
}

/// The index of a routed expert within its layer, 0-based.
public struct ExpertID: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
  /// The index as a number.
  public let rawValue: Int

  /// Names expert `rawValue`.
  public init(rawValue: Int) { self.rawValue = rawValue }

  /// Names expert `value`.
  public init(_ value: Int) { rawValue = value }

  /// Whether one expert comes before another.
  public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

  /// The bare number.
  public var description: String { "\(rawValue)" }
}

/// The index of an expert group within its layer, 0-based.
///
/// A group is the unit of placement and of reduction: a fixed run of consecutive experts.
public struct GroupIndex: RawRepresentable, Hashable, Comparable, Sendable,
  CustomStringConvertible
{
  /// The index as a number.
  public let rawValue: Int

  /// Names group `rawValue`.
  public init(rawValue: Int) { self.rawValue = rawValue }

  /// Names group `value`.
  public init(_ value: Int) { rawValue = value }

  /// Whether one group comes before another.
  public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

  /// The bare number.
  public var description: String { "\(rawValue)" }
}
