import Inference

/// Turns the engine's events of one answer into its parts.
struct AnswerReader: Sendable {
  private var splitter: OutputSplitter
  private var reasoningTokens = 0
  private var callCount = 0
  /// How probable the tokens were that have come since this was taken last.
  private var logProbabilities: [TokenLogProbabilities] = []
  /// Set by the last event.
  private(set) var ending: AnswerEnding?

  init(_ layout: AnswerLayout) {
    splitter = OutputSplitter(layout)
  }

  /// What an event adds to the answer.
  mutating func take(_ event: GenerationEvent) -> [AnswerPiece] {
    var pieces: [AnswerPiece] = []
    switch event {
    case .logProbabilities(let entry): logProbabilities.append(entry)
    case .token: if splitter.isReasoning { reasoningTokens += 1 }
    case .text(let text): pieces = splitter.append(text)
    case .finished(let summary):
      pieces = splitter.finish()
      count(pieces)
      ending = AnswerEnding(
        finishReason: summary.finishReason, callCount: callCount,
        promptTokens: summary.promptTokens, cachedPromptTokens: summary.cachedPromptTokens,
        outputTokens: summary.outputTokens, reasoningTokens: reasoningTokens)
      return pieces
    }
    count(pieces)
    return pieces
  }

  private mutating func count(_ pieces: [AnswerPiece]) {
    for case .call in pieces { callCount += 1 }
  }

  /// The log probabilities since the last call.
  mutating func takeLogProbabilities() -> [TokenLogProbabilities] {
    defer { logProbabilities = [] }
    return logProbabilities
  }
}
