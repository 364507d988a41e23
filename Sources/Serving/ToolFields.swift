import Constraints
import ModelFiles
import Tokenization

/// `tools`, `tool_choice` and `parallel_tool_calls` of a request.
struct ToolFields: Sendable {
  /// Whether the model has to call something.
  enum Choice: Hashable, Sendable {
    case none
    case auto
    case required
    case named(String)
  }

  /// A declared function with what its arguments are kept to.
  struct Tool: Hashable, Sendable {
    let declaration: ToolDeclaration
    let arguments: AnswerShape
  }

  static let maximumTools = 128

  private(set) var tools: [Tool] = []
  private(set) var choice = Choice.auto
  private(set) var allowsSeveralCalls = true

  /// Nothing to call.
  init() {}

  /// Reads the fields; `isFlat` for the responses API, whose tools have no `function` member.
  init(_ fields: inout RequestFields, isFlat: Bool = false) throws(APIError) {
    let values = try fields.array("tools") ?? []
    guard values.count <= Self.maximumTools else {
      throw .invalid(
        "tools has \(values.count) entries; at most \(Self.maximumTools) are allowed",
        param: "tools")
    }
    for (index, value) in values.enumerated() {
      tools.append(try Self.tool(value, path: "tools[\(index)]", isFlat: isFlat))
    }
    let names = tools.map(\.declaration.name)
    if let index = names.indices.first(where: { names[..<$0].contains(names[$0]) }) {
      throw .invalid(
        "tools[\(index)] has the name of another tool; names must differ",
        param: "tools[\(index)]")
    }
    allowsSeveralCalls = try fields.bool("parallel_tool_calls") ?? true
    if let value = fields.value("tool_choice") {
      choice = try Self.choice(value, names: names, isFlat: isFlat)
    }
  }

  /// The tools that the model is told of and may call.
  var active: [Tool] {
    switch choice {
    case .none: []
    case .auto, .required: tools
    case .named(let name): tools.filter { $0.declaration.name == name }
    }
  }

  private static func tool(
    _ value: JSONValue, path: String, isFlat: Bool
  ) throws(APIError) -> Tool {
    var fields = try RequestFields(value, path: path)
    guard try fields.string("type") == "function" else {
      throw .invalid(
        "\(path).type must be function; this server runs no other tools", param: "\(path).type")
    }
    if isFlat { return try function(&fields, path: path) }
    guard let inner = fields.value("function") else {
      throw .invalid("\(path).function is missing", param: "\(path).function")
    }
    try fields.finish()
    var function = try RequestFields(inner, path: "\(path).function")
    return try self.function(&function, path: "\(path).function")
  }

  private static func function(
    _ fields: inout RequestFields, path: String
  ) throws(APIError) -> Tool {
    guard let name = try fields.string("name"), ResponseFormat.isName(name) else {
      throw .invalid(
        "\(path).name must have 1 to 64 letters, digits, _ or -", param: "\(path).name")
    }
    let description = try fields.string("description")
    let parameters = try fields.object("parameters").map { JSONValue.object($0) }
    let isStrict = try fields.bool("strict") ?? false
    _ = fields.value("type")
    try fields.finish()
    return Tool(
      declaration: ToolDeclaration(
        name: name, description: description, parameters: parameters),
      arguments: try arguments(parameters, isStrict: isStrict, path: "\(path).parameters"))
  }

  /// What arguments are kept to: the schema; where the client does not insist on it what can be kept
  /// of it, or any object.
  private static func arguments(
    _ parameters: JSONValue?, isStrict: Bool, path: String
  ) throws(APIError) -> AnswerShape {
    guard let parameters, parameters.object?.isEmpty == false else { return .jsonObject }
    guard parameters["type"] == .string("object") || parameters["properties"] != nil else {
      guard isStrict else { return .jsonObject }
      throw .invalid("\(path).type must be object", param: "\(path).type", code: "invalid_schema")
    }
    let schema = isStrict ? parameters : parameters.relaxedSchema
    do {
      _ = try Grammar(.json(schema: schema))
      return .json(schema: schema)
    } catch {
      guard isStrict else { return .jsonObject }
      throw APIError(error, path: path)
    }
  }

  private static func choice(
    _ value: JSONValue, names: [String], isFlat: Bool
  ) throws(APIError) -> Choice {
    if let word = value.string {
      switch word {
      case "none": return .none
      case "auto": return .auto
      case "required" where !names.isEmpty: return .required
      case "required":
        throw .invalid("tool_choice required needs tools", param: "tool_choice")
      default: break
      }
    } else if value.object != nil {
      var fields = try RequestFields(value, path: "tool_choice")
      if try fields.string("type") == "function" {
        var name: String?
        if isFlat {
          name = try fields.string("name")
        } else if let inner = fields.value("function") {
          var function = try RequestFields(inner, path: "tool_choice.function")
          name = try function.string("name")
          try function.finish()
        }
        try fields.finish()
        guard let name, names.contains(name) else {
          throw .invalid("tool_choice must name one of the tools", param: "tool_choice")
        }
        return .named(name)
      }
    }
    throw .invalid(
      "tool_choice must be none, auto, required or the name of a function", param: "tool_choice")
  }
}
