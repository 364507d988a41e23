public import Tokenization

/// What a client asks: a prompt to continue, how, and how far.
public struct GenerationRequest: Sendable {
  /// The tokens to continue, exactly as the model shall see them; BOS is not added.
  public var prompt: [TokenID]
  /// The most tokens to answer with; nil: as many as the context has room for.
  public var maxTokens: Int?
  /// How tokens are chosen.
  public var sampling: SamplingParameters
  /// Texts that end the answer; they are not part of it.
  public var stopStrings: [String]
  /// Tokens that end the answer; they are not part of it.
  public var stopTokens: Set<TokenID>
  /// Text that is dropped if the answer begins with it, as a chat format's `answerPrefix`.
  public var answerPrefix: String

  /// Collects the parts; without stop tokens (usually the tokenizer's) it runs to `maxTokens`.
  public init(
    prompt: [TokenID], maxTokens: Int? = nil, sampling: SamplingParameters = .greedy,
    stopStrings: [String] = [], stopTokens: Set<TokenID> = [], answerPrefix: String = ""
  ) {
    self.prompt = prompt
    self.maxTokens = maxTokens
    self.sampling = sampling
    self.stopStrings = stopStrings
    self.stopTokens = stopTokens
    self.answerPrefix = answerPrefix
  }
}

/// What happens while a request runs, in order; the last event is `finished`.
public enum GenerationEvent: Sendable, Equatable {
  /// A token of the answer; stop tokens are not reported.
  case token(TokenID)
  /// The next characters of the answer, once they are certain; never empty, never a stop string.
  case text(String)
  /// The request is over.
  case finished(GenerationSummary)
}

/// Why an answer ended.
public enum FinishReason: String, Sendable {
  /// The model ended its answer, or wrote a stop string.
  case stop
  /// The answer has as many tokens as the request or the context allows.
  case length
  /// The client went away or interrupted.
  case cancelled
}

/// How a request went.
public struct GenerationSummary: Sendable, Equatable {
  /// Why the answer ended.
  public let finishReason: FinishReason
  /// Tokens of the prompt, BOS and chat template included.
  public let promptTokens: Int
  /// How many of those were still in the cache from the request before.
  public let cachedPromptTokens: Int
  /// Tokens of the answer; a stop token is not counted.
  public let outputTokens: Int
  /// The seed that gives this answer again.
  public let seed: UInt64
  /// From the start of the first step to the logits of the last prompt token.
  public let prefillDuration: Duration
  /// From there to the end.
  public let decodeDuration: Duration

  /// Collects the figures.
  public init(
    finishReason: FinishReason, promptTokens: Int, cachedPromptTokens: Int = 0, outputTokens: Int,
    seed: UInt64, prefillDuration: Duration, decodeDuration: Duration
  ) {
    self.finishReason = finishReason
    self.promptTokens = promptTokens
    self.cachedPromptTokens = cachedPromptTokens
    self.outputTokens = outputTokens
    self.seed = seed
    self.prefillDuration = prefillDuration
    self.decodeDuration = decodeDuration
  }

  /// Prompt tokens run per second; 0 when no time passed.
  public var prefillTokensPerSecond: Double {
    rate(promptTokens - cachedPromptTokens, in: prefillDuration)
  }

  /// Tokens per second after the first one, which belongs to the prefill; 0 with fewer than two.
  public var decodeTokensPerSecond: Double {
    rate(max(outputTokens - 1, 0), in: decodeDuration)
  }

  private func rate(_ count: Int, in duration: Duration) -> Double {
    let seconds = duration / .seconds(1)
    return seconds > 0 ? Double(count) / seconds : 0
  }
}
