public import ModelFiles

/// A function that the model may ask to be called.
public struct ToolDeclaration: Hashable, Sendable {
  /// The function's name.
  public let name: String
  /// What it does, for the model.
  public let description: String?
  /// A JSON schema of its arguments; nil when it has none or any.
  public let parameters: JSONValue?

  /// Collects the parts.
  public init(name: String, description: String? = nil, parameters: JSONValue? = nil) {
    self.name = name
    self.description = description
    self.parameters = parameters
  }

  /// The declaration as clients write it.
  var json: JSONValue {
    var members = JSONObject([("name", .string(name))])
    if let description { members.add("description", .string(description)) }
    if let parameters { members.add("parameters", parameters) }
    return .object(members)
  }
}
