/// A conversation as marks and text, before it becomes tokens.
struct ChatTranscript: Equatable {
  /// What a conversation is written with.
  enum Part: Equatable {
    /// The tokenizer's begin-of-text token.
    case bos
    /// The tokenizer's end-of-text token.
    case eos
    /// A control token, by its text.
    case mark(String)
    /// Text without special tokens, whatever it looks like.
    case text(String)
  }

  /// Everything so far; neighbouring texts are one, because tokens may span them.
  private(set) var parts: [Part] = []

  /// Adds marks and texts.
  mutating func write(_ new: Part...) {
    for part in new {
      switch (parts.last, part) {
      case (_, .text("")): break
      case (.text(let start), .text(let text)): parts[parts.count - 1] = .text(start + text)
      default: parts.append(part)
      }
    }
  }
}

extension Tokenizer {
  /// A conversation as tokens, up to where the assistant's next message starts.
  ///
  /// Contents are taken literally: a message cannot forge a turn. The tokens start with one `bos`
  /// where the format has it, and end without a blank.
  ///
  /// - Parameters:
  ///   - messages: The conversation, oldest first.
  ///   - format: How to write it; the model's own format when nil.
  /// - Returns: The prompt's tokens.
  /// - Throws: `TokenizerError` when the format is unknown or does not fit model or messages.
  public func encode(
    chat messages: [ChatMessage], format: ChatFormat? = nil
  ) throws(TokenizerError) -> [TokenID] {
    guard let format = format ?? chatFormat else { throw .unknownChatFormat }
    guard !messages.isEmpty else { throw .noMessages }
    var ids: [TokenID] = []
    let details = ChatDetails(template: template)
    for part in try format.transcript(of: messages, details: details).parts {
      switch part {
      case .text(let text): ids += encode(text, specials: false, addBOS: false)
      case .bos: ids.append(try mark(bos, "<｜begin▁of▁sentence｜>", format))
      case .eos: ids.append(try mark(eos, "<｜end▁of▁sentence｜>", format))
      case .mark(let text): ids.append(try mark(specialToken(text), text, format))
      }
    }
    return ids
  }

  private func mark(
    _ token: TokenID?, _ text: String, _ format: ChatFormat
  ) throws(TokenizerError) -> TokenID {
    guard let token else { throw .missingToken(text, format) }
    return token
  }
}
