import ModelFiles
import Tokenization

/// `input` and `instructions` of a responses request, as a conversation.
struct ResponseInput {
  private(set) var messages: [ChatMessage] = []
  private var openCalls: [String] = []  // ids of the calls of the last assistant's message
  private var results: [(place: Int, message: ChatMessage)] = []

  init(_ fields: inout RequestFields, instructions: String?) throws(APIError) {
    if let instructions { messages.append(ChatMessage(.system, instructions)) }
    switch fields.value("input") {
    case .string(let text): messages.append(ChatMessage(.user, text))
    case .array(let items) where !items.isEmpty && items.count <= MessageFields.maximumMessages:
      for (index, item) in items.enumerated() { try read(item, path: "input[\(index)]") }
      writeResults()
    default:
      throw .invalid(
        "input must be a string or an array of 1 to \(MessageFields.maximumMessages) items",
        param: "input")
    }
    guard !messages.isEmpty else {
      throw .invalid("input must have at least one message", param: "input")
    }
  }

  private mutating func read(_ value: JSONValue, path: String) throws(APIError) {
    var fields = try RequestFields(value, path: path)
    switch try fields.string("type") ?? "message" {
    case "message": try readMessage(&fields, path: path)
    case "function_call": try readCall(&fields, path: path)
    case "function_call_output": try readResult(&fields, path: path)
    case "reasoning": return  // only the answer is kept
    case let type:
      throw .invalid(
        "\(path).type must be message, function_call, function_call_output or reasoning, not"
          + " \"\(type.prefix(40))\"", param: "\(path).type", code: "unsupported_value")
    }
    try fields.finish(ignoring: ["id", "status", "name", "phase"])
  }

  private mutating func readMessage(
    _ fields: inout RequestFields, path: String
  ) throws(APIError) {
    let name = try fields.string("role")
    guard let role = name.flatMap(MessageFields.role), role != .tool else {
      throw .invalid(
        "\(path).role must be system, developer, user or assistant", param: "\(path).role")
    }
    writeResults()
    openCalls = []
    messages.append(
      ChatMessage(role, try TextParts.text(fields.value("content"), path: "\(path).content")))
  }

  /// A call belongs to the assistant's message before it, if there is one.
  private mutating func readCall(_ fields: inout RequestFields, path: String) throws(APIError) {
    guard let id = try fields.string("call_id"), let name = try fields.string("name"),
      let arguments = try fields.string("arguments")
    else {
      throw .invalid("\(path) must have a call_id, a name and arguments", param: path)
    }
    let call = ChatMessage.ToolCall(name: name, arguments: arguments)
    if !results.isEmpty { openCalls = [] }
    writeResults()
    if let last = messages.last, last.role == .assistant {
      messages[messages.count - 1] = ChatMessage(
        .assistant, last.content, toolCalls: last.toolCalls + [call])
    } else {
      messages.append(ChatMessage(.assistant, "", toolCalls: [call]))
    }
    guard openCalls.count < MessageFields.maximumCalls else {
      throw .invalid("\(path) is one call too many", param: path)
    }
    openCalls.append(id)
  }

  private mutating func readResult(
    _ fields: inout RequestFields, path: String
  ) throws(APIError) {
    let id = try fields.string("call_id")
    guard let id, let place = openCalls.firstIndex(of: id) else {
      throw .invalid(
        "\(path).call_id must be that of a function_call before it", param: "\(path).call_id")
    }
    let text = try TextParts.text(fields.value("output"), path: "\(path).output")
    results.append((place, ChatMessage(.tool, text)))
  }

  private mutating func writeResults() {
    messages += results.sorted { $0.place < $1.place }.map(\.message)
    results = []
  }
}
