/// What is wrong with a model's experts, a routed batch or a reply, in one line.
public struct ExpertError: Error, Equatable, Sendable, CustomStringConvertible {
  /// What failed.
  public enum Kind: Sendable, Equatable {
    /// Sizes that no model has, or that contradict one another.
    case geometry
    /// A tensor that is missing or has another shape than the configuration says.
    case tensor
    /// A group that is not held here, or bytes that are not a group's.
    case group
    /// Entries that are out of order or out of range.
    case batch
    /// Reply bytes of the wrong length, or for another batch.
    case reply
  }

  /// What failed.
  public let kind: Kind
  /// What, where and what to do, on one line.
  public let description: String

  /// Makes an error of `kind` that reads `description`.
  public init(_ kind: Kind, _ description: String) {
    self.kind = kind
    self.description = description
  }
}
