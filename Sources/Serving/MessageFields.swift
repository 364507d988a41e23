import ModelFiles
import Tokenization

/// `messages` of a chat request.
struct MessageFields {
  static let maximumMessages = 4096
  static let maximumCalls = 128
  /// What clients send back of an answer besides its text, and what no model here reads.
  private static let ignored: Set<String> = [
    "name", "refusal", "annotations", "audio", "function_call", "provider_specific_fields",
    "reasoning", "reasoning_details", "thinking_blocks",
  ]

  private(set) var messages: [ChatMessage] = []
  private var openCalls: [String] = []  // ids of the calls of the last assistant's message
  private var results: [(place: Int, message: ChatMessage)] = []

  /// Reads the messages; every error names the field.
  init(_ values: [JSONValue]) throws(APIError) {
    guard !values.isEmpty else {
      throw .invalid("messages must have at least one message", param: "messages")
    }
    guard values.count <= Self.maximumMessages else {
      throw .invalid(
        "messages has \(values.count) entries; at most \(Self.maximumMessages) are allowed",
        param: "messages")
    }
    for (index, value) in values.enumerated() {
      try read(value, path: "messages[\(index)]")
    }
    writeResults()
  }

  private mutating func read(_ value: JSONValue, path: String) throws(APIError) {
    var fields = try RequestFields(value, path: path)
    let roleName = try fields.string("role")
    guard let role = roleName.flatMap(Self.role) else {
      throw .invalid(
        "\(path).role must be system, developer, user, assistant or tool"
          + (roleName.map { ", not \"\($0.prefix(40))\"" } ?? ""),
        param: "\(path).role")
    }
    if role == .tool { return try readResult(&fields, path: path) }
    writeResults()
    openCalls = []
    var calls: [ChatMessage.ToolCall] = []
    if role == .assistant, let values = try fields.array("tool_calls") {
      calls = try readCalls(values, path: "\(path).tool_calls")
      _ = try fields.string("reasoning_content")  // only the answer is kept
    } else if role == .assistant {
      _ = try fields.string("reasoning_content")
    }
    let text = try TextParts.text(
      fields.value("content"), path: "\(path).content", isOptional: !calls.isEmpty)
    try fields.finish(ignoring: Self.ignored)
    messages.append(ChatMessage(role, text, toolCalls: calls))
  }

  static func role(_ name: String) -> ChatMessage.Role? {
    switch name {
    case "system", "developer": .system
    case "user": .user
    case "assistant": .assistant
    case "tool": .tool
    default: nil
    }
  }

  private mutating func readCalls(
    _ values: [JSONValue], path: String
  ) throws(APIError) -> [ChatMessage.ToolCall] {
    guard values.count <= Self.maximumCalls else {
      throw .invalid("\(path) has more than \(Self.maximumCalls) entries", param: path)
    }
    var calls: [ChatMessage.ToolCall] = []
    for (index, value) in values.enumerated() {
      let path = "\(path)[\(index)]"
      var fields = try RequestFields(value, path: path)
      guard let id = try fields.string("id"), let inner = fields.value("function") else {
        throw .invalid("\(path) must have an id and a function", param: path)
      }
      _ = try fields.word("type", of: ["function"])
      try fields.finish(ignoring: ["index"])
      var function = try RequestFields(inner, path: "\(path).function")
      guard let name = try function.string("name"),
        let arguments = try function.string("arguments")
      else {
        throw .invalid(
          "\(path).function must have a name and arguments", param: "\(path).function")
      }
      try function.finish()
      openCalls.append(id)
      calls.append(ChatMessage.ToolCall(name: name, arguments: arguments))
    }
    return calls
  }

  private mutating func readResult(
    _ fields: inout RequestFields, path: String
  ) throws(APIError) {
    let id = try fields.string("tool_call_id")
    guard let id, let place = openCalls.firstIndex(of: id) else {
      throw .invalid(
        "\(path).tool_call_id must be the id of a call in the assistant's message before it",
        param: "\(path).tool_call_id")
    }
    let text = try TextParts.text(fields.value("content"), path: "\(path).content")
    try fields.finish(ignoring: ["name"])
    results.append((place, ChatMessage(.tool, text)))
  }

  /// Adds results in the order of their calls, which is how models know them.
  private mutating func writeResults() {
    messages += results.sorted { $0.place < $1.place }.map(\.message)
    results = []
  }
}

/// Texts that come as strings or as arrays of parts.
enum TextParts {
  static let types = ["text", "input_text", "output_text"]

  /// A string, or the texts of an array of text parts joined; refusals are texts, too.
  static func text(
    _ value: JSONValue?, path: String, isOptional: Bool = false
  ) throws(APIError) -> String {
    switch value {
    case .string(let text): return text
    case .array(let parts):
      var joined = ""
      for (index, part) in parts.enumerated() {
        var part = try RequestFields(part, path: "\(path)[\(index)]")
        let type = try part.string("type")
        let text = try part.string(type == "refusal" ? "refusal" : "text")
        guard let type, let text, types.contains(type) || type == "refusal" else {
          throw .invalid(
            "\(path)[\(index)] must be a text part; this model reads nothing else",
            param: "\(path)[\(index)]")
        }
        joined += text
      }
      return joined
    case nil where isOptional: return ""
    default:
      throw .invalid("\(path) must be a string or an array of text parts", param: path)
    }
  }
}
