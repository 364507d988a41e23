public import Experts
public import ModelFiles

/// What a cluster serves: which model, and the experts that its workers hold.
public struct ServedModel: Sendable {
  /// Which model it is; workers with a file must have the same.
  public var digest: ModelDigest
  /// Where the experts are read for workers without a file; nil for a dense model.
  public var catalog: ExpertCatalog?

  /// Nothing: workers join, whatever files they have, and only their links are of use.
  public static let none = ServedModel(digest: ModelDigest(sha256: RawSpan()), catalog: nil)

  /// Names a model and its experts.
  public init(digest: ModelDigest, catalog: ExpertCatalog?) {
    self.digest = digest
    self.catalog = catalog
  }
}
