extension ChatFormat {
  /// Writes a conversation, up to where the assistant's next message starts.
  ///
  /// Source: the chat templates of the models, rendered with a generation prompt.
  func transcript(
    of messages: [ChatMessage], details: ChatDetails
  ) throws(TokenizerError) -> ChatTranscript {
    if !hasTools, messages.contains(where: { $0.role == .tool || !$0.toolCalls.isEmpty }) {
      throw .noTools(self)
    }
    switch self {
    case .deepseek: return Self.named(messages)
    case .deepseekV2_0628: return Self.markedWithBlankLine(messages)
    case .deepseekV3, .deepseekR1, .deepseekV3_1, .deepseekV3_1Thinking:
      return MarkedTranscript(format: self, details: details).transcript(of: messages)
    case .deepseekCoder: return Self.instructions(messages)
    case .kimiK2: return Self.kimi(messages, defaultSystem: details.kimiSystem)
    }
  }

  /// Whether the format can write calls and results of tools.
  private var hasTools: Bool {
    switch self {
    case .deepseekV3, .deepseekR1, .deepseekV3_1, .deepseekV3_1Thinking: true
    case .deepseek, .deepseekV2_0628, .deepseekCoder, .kimiK2: false
    }
  }

  /// What the model writes between the prompt and its answer; no part of the message.
  public var answerPrefix: String {
    switch self {
    case .deepseek: " "
    case .deepseekCoder: "\n"
    case .deepseekV2_0628, .deepseekV3, .deepseekR1, .deepseekV3_1, .deepseekV3_1Thinking, .kimiK2:
      ""
    }
  }

  private static func named(_ messages: [ChatMessage]) -> ChatTranscript {
    var transcript = ChatTranscript()
    transcript.write(.bos)
    for message in messages {
      switch message.role {
      case .system: transcript.write(.text(message.content + "\n\n"))
      case .user: transcript.write(.text("User: " + message.content + "\n\n"))
      case .assistant, .tool:
        transcript.write(.text("Assistant: " + message.content), .eos)
      }
    }
    transcript.write(.text("Assistant:"))
    return transcript
  }

  private static func markedWithBlankLine(_ messages: [ChatMessage]) -> ChatTranscript {
    var transcript = ChatTranscript()
    transcript.write(.bos)
    for message in messages {
      switch message.role {
      case .system: transcript.write(.text(message.content + "\n\n"))
      case .user: transcript.write(.mark("<｜User｜>"), .text(message.content))
      case .assistant, .tool:
        transcript.write(.mark("<｜Assistant｜>"), .text(message.content), .eos)
      }
    }
    transcript.write(.mark("<｜Assistant｜>"))
    return transcript
  }

  /// The sentence that the template of Coder v1 starts with when there is no system message.
  static let coderSystem =
    "You are an AI programming assistant, utilizing the Deepseek Coder model, developed by "
    + "Deepseek Company, and you only answer questions related to computer science. For "
    + "politically sensitive questions, security and privacy issues, and other non-computer "
    + "science questions, you will refuse to answer\n"

  private static func instructions(_ messages: [ChatMessage]) -> ChatTranscript {
    var transcript = ChatTranscript()
    transcript.write(.bos)
    if !messages.contains(where: { $0.role == .system }) { transcript.write(.text(coderSystem)) }
    for message in messages {
      switch message.role {
      case .system: transcript.write(.text(message.content))
      case .user: transcript.write(.text("### Instruction:\n" + message.content + "\n"))
      case .assistant, .tool:
        transcript.write(
          .text("### Response:\n" + message.content + "\n"), .mark("<|EOT|>"), .text("\n"))
      }
    }
    transcript.write(.text("### Response:"))
    return transcript
  }

  private static func kimi(_ messages: [ChatMessage], defaultSystem: String) -> ChatTranscript {
    var transcript = ChatTranscript()
    func open(_ role: ChatMessage.Role) {
      transcript.write(
        .mark("<|im_\(role.rawValue)|>"), .text(role.rawValue), .mark("<|im_middle|>"))
    }
    let isFirstSystem = messages.first?.role == .system
    for message in (isFirstSystem ? [] : [ChatMessage(.system, defaultSystem)]) + messages {
      open(message.role)
      transcript.write(.text(message.content), .mark("<|im_end|>"))
    }
    open(.assistant)
    return transcript
  }
}
