import Inference
import ModelFiles
import Tokenization

/// The body of `POST /v1/chat/completions`.
struct ChatCompletionsBody {
  let model: String?
  let messages: [ChatMessage]
  let generation: GenerationFields

  /// Reads the body; every error names the field.
  init(_ body: JSONValue, defaults: SamplingParameters) throws(APIError) {
    var fields = try RequestFields(body)
    model = try fields.string("model")
    messages = try Self.messages(&fields)
    generation = try GenerationFields(&fields, defaults: defaults)
    try Self.refuseTools(&fields)
    if try fields.bool("logprobs") == true {
      throw .invalid("logprobs is not supported by this server; leave it out", param: "logprobs")
    }
    try fields.finish(ignoring: GenerationFields.ignored)
  }

  private static func messages(_ fields: inout RequestFields) throws(APIError) -> [ChatMessage] {
    guard let values = try fields.array("messages"), !values.isEmpty else {
      throw .invalid("messages must have at least one message", param: "messages")
    }
    var messages: [ChatMessage] = []
    for (index, value) in values.enumerated() {
      messages.append(try message(value, path: "messages[\(index)]"))
    }
    return messages
  }

  private static func message(_ value: JSONValue, path: String) throws(APIError) -> ChatMessage {
    var fields = try RequestFields(value, path: path)
    let roleName = try fields.string("role")
    guard let role = roleName.flatMap(role) else {
      throw .invalid(
        "\(path).role must be system, developer, user or assistant"
          + (roleName.map { ", not \"\($0.prefix(40))\"" } ?? ""),
        param: "\(path).role")
    }
    let content = try text(&fields, path: "\(path).content")
    try fields.finish(ignoring: ["name", "refusal", "annotations", "audio"])
    return ChatMessage(role, content)
  }

  private static func role(_ name: String) -> ChatMessage.Role? {
    switch name {
    case "system", "developer": .system
    case "user": .user
    case "assistant": .assistant
    default: nil
    }
  }

  /// A string, or the texts of an array of text parts joined.
  private static func text(
    _ fields: inout RequestFields, path: String
  ) throws(APIError) -> String {
    switch fields.value("content") {
    case .string(let text): return text
    case .array(let parts):
      var joined = ""
      for (index, part) in parts.enumerated() {
        var part = try RequestFields(part, path: "\(path)[\(index)]")
        guard try part.string("type") == "text", let text = try part.string("text") else {
          throw .invalid(
            "\(path)[\(index)] must be a text part; this model reads nothing else",
            param: "\(path)[\(index)]")
        }
        joined += text
      }
      return joined
    default:
      throw .invalid("\(path) must be a string or an array of text parts", param: path)
    }
  }

  private static func refuseTools(_ fields: inout RequestFields) throws(APIError) {
    if let tools = try fields.array("tools"), !tools.isEmpty {
      throw .invalid("tools are not supported by this server; leave them out", param: "tools")
    }
    if let choice = fields.value("tool_choice"), !["none", "auto"].contains(choice.string) {
      throw .invalid("tool_choice needs tools, which are not supported", param: "tool_choice")
    }
    if let count = try fields.integer("top_logprobs"), count != 0 {
      throw .invalid("top_logprobs is not supported by this server", param: "top_logprobs")
    }
  }
}
