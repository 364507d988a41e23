/// Why a JSON schema cannot be used to constrain an answer.
public struct SchemaError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The place in the schema, as `properties.name.items`; empty at the top.
  public let path: String
  /// What is wrong there, and what to do.
  public let problem: String

  /// Place and problem.
  public var description: String { path.isEmpty ? problem : "\(path): \(problem)" }
}
