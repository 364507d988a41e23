import Inference
import Tokenization

/// Who answers in a conversation: a model of this process, or a server.
protocol ChatPartner {
  /// Answers a conversation and writes the answer to standard output as it comes.
  ///
  /// An interrupt ends the answer, not the conversation.
  /// - Returns: The text, and a line about how it went.
  /// - Throws: What went wrong, in one line; the conversation can go on.
  func answer(
    _ messages: [ChatMessage], _ interrupts: Interrupts
  ) throws -> (text: String, note: String)
}

/// A model of this process.
struct ModelPartner: ChatPartner {
  private let tokenizer: Tokenizer
  private let generator: ModelSession.Generator
  private let format: ChatFormat?
  private let arguments: SamplingArguments

  /// Fails when the model has no chat format.
  init(
    _ session: ModelSession, format: ChatFormat?, arguments: SamplingArguments,
    speculation: Speculation
  ) throws {
    tokenizer = try session.tokenizer()
    self.format = format
    self.arguments = arguments
    generator = try session.makeGenerator(reusesPrefix: true, speculation: speculation)
    _ = try tokenizer.encode(chat: [ChatMessage(.user, "")], format: format)
  }

  func answer(
    _ messages: [ChatMessage], _ interrupts: Interrupts
  ) throws -> (text: String, note: String) {
    var request = GenerationRequest(
      prompt: try tokenizer.encode(chat: messages, format: format),
      maxTokens: nil, sampling: arguments.parameters(defaultTemperature: Chat.defaultTemperature),
      stopStrings: arguments.stop, stopTokens: arguments.stopTokens(of: tokenizer))
    let room = generator.contextLength - request.prompt.count
    request.maxTokens = max(1, min(arguments.tokenLimit(room: room), room))
    var writer = AnswerWriter(.trimmed)
    let summary = try writer.write(request, with: generator, interrupts)
    return (writer.text, summary.line(isRandom: request.sampling.temperature > 0))
  }
}
