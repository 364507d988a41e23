/// A set of expert groups of one layer: a small value without memory of its own.
public struct GroupSet: Sendable, Equatable {
  /// The largest number of groups that a layer may have.
  public static let limit = 1_024

  private var words = InlineArray<16, UInt64>(repeating: 0)

  /// The empty set.
  public init() {}

  /// The set of `groups`.
  public init(_ groups: some Sequence<GroupIndex>) {
    for group in groups { insert(group) }
  }

  /// Whether there is none.
  public var isEmpty: Bool { words.indices.allSatisfy { words[$0] == 0 } }

  /// Whether `group` is one of them.
  public func contains(_ group: GroupIndex) -> Bool {
    words[group.rawValue >> 6] >> UInt64(group.rawValue & 63) & 1 == 1
  }

  /// Adds `group`, which must be below the limit.
  public mutating func insert(_ group: GroupIndex) {
    words[group.rawValue >> 6] |= 1 << UInt64(group.rawValue & 63)
  }

  /// Adds all of `other`.
  public mutating func formUnion(_ other: GroupSet) {
    for index in words.indices { words[index] |= other.words[index] }
  }

  /// Takes all of `other` out.
  public mutating func subtract(_ other: GroupSet) {
    for index in words.indices { words[index] &= ~other.words[index] }
  }

  /// Whether none of `other` is in it.
  public func isDisjoint(with other: GroupSet) -> Bool {
    words.indices.allSatisfy { words[$0] & other.words[$0] == 0 }
  }

  /// Whether both hold the same groups.
  public static func == (left: GroupSet, right: GroupSet) -> Bool {
    left.words.indices.allSatisfy { left.words[$0] == right.words[$0] }
  }
}
