/// One message of a conversation.
public struct ChatMessage: Hashable, Sendable {
  /// Who speaks.
  public enum Role: String, CaseIterable, Sendable {
    /// Instructions for the whole conversation.
    case system
    /// The one who asks.
    case user
    /// The model.
    case assistant
    /// The result of a call that the model asked for.
    case tool
  }

  /// A function that the model wants called.
  public struct ToolCall: Hashable, Sendable {
    /// The function's name.
    public let name: String
    /// Its arguments as JSON.
    public let arguments: String

    /// A call of `name` with JSON `arguments`.
    public init(name: String, arguments: String) {
      self.name = name
      self.arguments = arguments
    }
  }

  /// Who speaks.
  public let role: Role
  /// The text, never read for special tokens.
  public let content: String
  /// Calls that an assistant's message ends with.
  public let toolCalls: [ToolCall]

  /// A message; only the assistant's have tool calls.
  public init(_ role: Role, _ content: String, toolCalls: [ToolCall] = []) {
    self.role = role
    self.content = content
    self.toolCalls = toolCalls
  }
}
