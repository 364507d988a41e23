/// Why a text or a conversation cannot be turned into tokens.
public enum TokenizerError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The model's files name no chat format and its tokens do not tell.
  case unknownChatFormat
  /// A chat format needs a token that the model does not have.
  case missingToken(String, ChatFormat)
  /// A conversation without a message.
  case noMessages
  /// The format has no way to write calls and results of tools.
  case noTools(ChatFormat)
  /// The model has no tokens for filling in the middle.
  case noFillInMiddle

  /// One line: what is wrong and what to do.
  public var description: String {
    switch self {
    case .unknownChatFormat:
      "the model's files do not tell its chat format; name one of "
        + ChatFormat.allCases.map(\.rawValue).joined(separator: ", ")
    case .missingToken(let text, let format):
      "chat format \(format.rawValue) needs the token \(text), which this model does not have; "
        + "choose another format"
    case .noMessages: "the conversation has no message; send at least one"
    case .noTools(let format):
      "chat format \(format.rawValue) has no tool calls or results; leave these messages out"
    case .noFillInMiddle:
      "this model has no fill-in-the-middle tokens; send one prompt without a suffix"
    }
  }
}
