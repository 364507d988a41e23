import ModelFiles

extension [ChatMessage] {
  /// The conversation with tools declared in its system message, as the syntax has it; calls and
  /// results are rewritten as text when the chat format cannot write them.
  ///
  /// Sources: DeepSeek-V2.5's and V3.1's model cards for their formats; the plain one is ours.
  public func declaring(_ tools: [ToolDeclaration], _ syntax: ToolSyntax) -> [ChatMessage] {
    var messages = syntax == .plain ? withToolsAsText : self
    guard !tools.isEmpty else { return messages }
    let text = Self.text(declaring: tools, syntax)
    if let index = messages.lastIndex(where: { $0.role == .system }) {
      messages[index] = ChatMessage(.system, messages[index].content + "\n\n" + text)
    } else {
      let opening = syntax == .marks ? "" : "You are a helpful Assistant.\n\n"
      messages.insert(ChatMessage(.system, opening + text), at: 0)
    }
    return messages
  }

  private static func text(declaring tools: [ToolDeclaration], _ syntax: ToolSyntax) -> String {
    switch syntax {
    case .marks: marksText(tools)
    case .blocks: blocksText(tools)
    default: plainText(tools)
    }
  }

  private static func blocksText(_ tools: [ToolDeclaration]) -> String {
    let list = tools.map { "- `\($0.name)`:\n```json\n\($0.json.text(spaced: true))\n```" }
    return "## Tools\n\n### Function\n\nYou have the following functions available:\n\n"
      + list.joined(separator: "\n\n")
  }

  private static func marksText(_ tools: [ToolDeclaration]) -> String {
    let list = tools.map { tool in
      "### \(tool.name)\nDescription: \(tool.description ?? "")\n\nParameters: "
        + (tool.parameters ?? .object(JSONObject())).text(spaced: true)
    }
    let form = ToolSyntax.marks
    return "## Tools\nYou have access to the following tools:\n\n"
      + list.joined(separator: "\n\n")
      + "\n\nIMPORTANT: ALWAYS adhere to this exact format for tool use:\n"
      + form.listOpening + form.callOpening + "tool_call_name" + form.afterName
      + "tool_call_arguments" + form.callClosing + "{{additional_tool_calls}}" + form.listClosing
      + "\n\nWhere:\n- `tool_call_name` must be an exact match to one of the available tools\n"
      + "- `tool_call_arguments` must be valid JSON that strictly follows the tool's Parameters "
      + "Schema\n- For multiple tool calls, chain them directly without separators or spaces"
  }

  private static func plainText(_ tools: [ToolDeclaration]) -> String {
    let form = ToolSyntax.plain
    return "## Tools\n\nYou may call these functions:\n\n"
      + tools.map { $0.json.text(spaced: true) }.joined(separator: "\n")
      + "\n\nTo call one, end your answer with its name and arguments in exactly this form:\n"
      + form.callOpening + "NAME" + form.afterName + "{ARGUMENTS}" + form.callClosing
      + "\nResults come back as <tool_response>RESULT</tool_response>."
  }

  /// Calls become text of the assistant, results text of the user; neighbouring results are one
  /// message.
  private var withToolsAsText: [ChatMessage] {
    var messages: [ChatMessage] = []
    var followsResult = false
    for message in self {
      switch message.role {
      case .tool:
        let text = "<tool_response>\n\(message.content)\n</tool_response>"
        if followsResult, let last = messages.popLast() {
          messages.append(ChatMessage(.user, last.content + "\n" + text))
        } else {
          messages.append(ChatMessage(.user, text))
        }
      case .assistant where !message.toolCalls.isEmpty:
        let form = ToolSyntax.plain
        let calls = message.toolCalls.map {
          form.callOpening + $0.name + form.afterName + $0.arguments + form.callClosing
        }.joined(separator: form.separator)
        let text = message.content.isEmpty ? calls : message.content + "\n" + calls
        messages.append(ChatMessage(.assistant, text))
      case .system, .user, .assistant: messages.append(message)
      }
      followsResult = message.role == .tool
    }
    return messages
  }
}
