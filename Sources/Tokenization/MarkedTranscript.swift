/// Writes the formats of V2.5, V3, R1 and V3.1: marks for turns, for tools and for thinking.
struct MarkedTranscript {
  private let format: ChatFormat
  private let details: ChatDetails
  private var transcript = ChatTranscript()
  private var follows: ChatMessage.Role?

  init(format: ChatFormat, details: ChatDetails) {
    self.format = format
    self.details = details
  }

  /// The whole conversation, up to where the assistant's next message starts.
  consuming func transcript(of messages: [ChatMessage]) -> ChatTranscript {
    let system = messages.filter { $0.role == .system }.map(\.content).joined(separator: "\n\n")
    transcript.write(.bos, .text(system))
    for message in messages where message.role != .system {
      if follows == .tool, message.role != .tool { endResults() }
      switch message.role {
      case .user, .system: transcript.write(.mark("<｜User｜>"), .text(message.content))
      case .assistant: writeAnswer(message)
      case .tool: writeResult(message)
      }
      follows = message.role
    }
    if follows == .tool {
      endResults()  // The answer goes on without a new mark.
    } else {
      openAnswer()
    }
    return transcript
  }

  private var isV3_1: Bool { format == .deepseekV3_1 || format == .deepseekV3_1Thinking }

  private mutating func openAnswer() {
    transcript.write(.mark("<｜Assistant｜>"))
    switch format {
    case .deepseekR1: transcript.write(.mark("<think>"), .text("\n"))
    case .deepseekV3_1Thinking: transcript.write(.mark("<think>"))
    case .deepseekV3_1: closeThinking()
    default: break
    }
  }

  private mutating func closeThinking() {
    if details.opensEmptyThinking { transcript.write(.mark("<think>")) }
    transcript.write(.mark("</think>"))
  }

  private mutating func writeAnswer(_ message: ChatMessage) {
    if follows != .tool {
      transcript.write(.mark("<｜Assistant｜>"))
      if isV3_1 { closeThinking() }
    }
    transcript.write(.text(withoutThinking(message.content)))
    if !message.toolCalls.isEmpty { writeCalls(message.toolCalls) }
    transcript.write(.eos)
  }

  /// Past thinking is dropped: R1 keeps what follows the last `</think>`, V3.1 the first.
  private func withoutThinking(_ content: String) -> String {
    let ends = content.utf8.ranges(of: "</think>".utf8)
    guard format != .deepseekV3, let end = isV3_1 ? ends.first : ends.last else { return content }
    return String(decoding: content.utf8[end.upperBound...], as: UTF8.self)
  }

  private mutating func writeCalls(_ calls: [ChatMessage.ToolCall]) {
    transcript.write(.mark("<｜tool▁calls▁begin｜>"))
    for (index, call) in calls.enumerated() {
      if index > 0, !isV3_1 { transcript.write(.text("\n")) }
      transcript.write(.mark("<｜tool▁call▁begin｜>"))
      if isV3_1 {
        transcript.write(.text(call.name), .mark("<｜tool▁sep｜>"), .text(call.arguments))
      } else {
        transcript.write(
          .text("function"), .mark("<｜tool▁sep｜>"),
          .text("\(call.name)\n```json\n\(call.arguments)\n```"))
      }
      transcript.write(.mark("<｜tool▁call▁end｜>"))
    }
    transcript.write(.mark("<｜tool▁calls▁end｜>"))
  }

  private mutating func writeResult(_ message: ChatMessage) {
    if !isV3_1 {
      if follows == .tool {
        transcript.write(.text("\n"))
      } else {
        transcript.write(.mark("<｜tool▁outputs▁begin｜>"))
      }
    }
    transcript.write(
      .mark("<｜tool▁output▁begin｜>"), .text(message.content), .mark("<｜tool▁output▁end｜>"))
  }

  private mutating func endResults() {
    if !isV3_1 { transcript.write(.mark("<｜tool▁outputs▁end｜>")) }
  }
}
