/// One incarnation of a worker, numbered by its coordinator; never used twice in a cluster's life.
public struct WorkerID: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
  /// The number.
  public let rawValue: UInt32

  /// Names worker `rawValue`.
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// Names worker `value`.
  public init(_ value: UInt32) { rawValue = value }

  /// Whether one worker joined before another.
  public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

  /// "worker 3".
  public var description: String { "worker \(rawValue)" }
}
