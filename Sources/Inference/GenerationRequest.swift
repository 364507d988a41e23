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
  /// Control tokens whose names are part of the answer's text, as the marks of tool calls.
  public var shownTokens: Set<TokenID> = []

  /// How many alternatives `GenerationEvent.logProbabilities` names for each token, 0…20; nil: there
  /// is no such event.
  public var topLogprobs: Int?
  /// Which tokens may be chosen; nil: all.
  public var constraint: (any TokenConstraint)?
  /// Who asks; requests without a tenant belong together.
  ///
  /// Requests of one tenant wait for each other, tenants take turns, and the prefix cache of one is
  /// never used for another.
  public var tenant: String?
  /// How large a share of the engine the request gets, and how late it is preempted.
  public var priority = RequestPriority.normal
  /// The time from submission after which the request is ended with an error; nil: none.
  public var deadline: Duration?

  /// The name by which the request can be attached to again; nil: it cannot.
  public var id: RequestID?
  /// Whether it runs to its end even when nobody reads its events; for requests with an id.
  public var outlivesReader = false
  /// How many of its events have been delivered before, for example ahead of a restart.
  ///
  /// They are generated again, as the same ones, and not delivered; `finished` always is.
  public var resumeFrom = 0
  /// What else the journal shall keep for whoever submits the request again; the engine ignores it.
  public var note: [UInt8] = []

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

  /// The most alternatives that can be asked for.
  public static let maximumTopLogprobs = 20
  /// The longest note, in bytes.
  public static let maximumNoteByteCount = 1 << 20
}

/// How much of the engine a request gets when there is not enough for all.
public enum RequestPriority: Int, Sendable, CaseIterable {
  /// A quarter of the normal share; preempted first.
  case low
  /// One share.
  case normal
  /// Four shares; preempted last.
  case high

  /// The share, relative to `normal`.
  var weight: Double {
    switch self {
    case .low: 0.25
    case .normal: 1
    case .high: 4
    }
  }
}

/// The name of a request: 1 to 128 bytes, unique among those that the engine remembers.
public struct RequestID: Hashable, Sendable, CustomStringConvertible {
  /// The name itself.
  public let description: String

  /// Fails for an empty or an overlong text.
  public init?(_ text: String) {
    guard (1...128).contains(text.utf8.count) else { return nil }
    description = text
  }
}

/// What happens while a request runs, in order; the last event is `finished`.
///
/// Events are a function of the request and its seed, but for the durations in the summary: the
/// n-th event of a request that is run again is the n-th event of its first run.
public enum GenerationEvent: Sendable, Equatable {
  /// How probable the token of the next event was, if the request asked for that.
  case logProbabilities(TokenLogProbabilities)
  /// A token of the answer; stop tokens are not reported.
  case token(TokenID)
  /// The next characters of the answer, once they are certain; never empty, never a stop string.
  case text(String)
  /// The request is over. Indirect, so that the other events, of which many are kept, are small.
  indirect case finished(GenerationSummary)
}

/// The model's own distribution at one token: before bias, penalties, constraint and temperature.
public struct TokenLogProbabilities: Sendable, Equatable {
  /// A token and the natural logarithm of its probability.
  public struct Entry: Sendable, Equatable {
    /// The token.
    public let token: TokenID
    /// At most 0; minus infinity for a token that the model excludes.
    public let logProbability: Float

    /// Collects both.
    public init(token: TokenID, logProbability: Float) {
      self.token = token
      self.logProbability = logProbability
    }
  }

  /// The token that was chosen.
  public let chosen: Entry
  /// The most probable tokens, best first, lower ids first on ties; `topLogprobs` of them.
  public let top: [Entry]

  /// Collects both.
  public init(chosen: Entry, top: [Entry]) {
    self.chosen = chosen
    self.top = top
  }
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
  /// How many of those were found in the cache and not run.
  public let cachedPromptTokens: Int
  /// Tokens of the answer; a stop token is not counted.
  public let outputTokens: Int
  /// The seed that gives this answer again.
  public let seed: UInt64
  /// From the start of the first step to the logits of the last prompt token.
  public let prefillDuration: Duration
  /// From there to the end.
  public let decodeDuration: Duration
  /// From submission to the first step.
  public let queueDuration: Duration
  /// How often the request gave its cache to others and was taken up again.
  public let preemptionCount: Int
  /// Tokens that were drafted and verified.
  public let draftedTokens: Int
  /// Those of them that were right, so that they took no step of their own.
  public let acceptedTokens: Int

  /// Collects the figures.
  public init(
    finishReason: FinishReason, promptTokens: Int, cachedPromptTokens: Int = 0, outputTokens: Int,
    seed: UInt64, prefillDuration: Duration, decodeDuration: Duration,
    queueDuration: Duration = .zero, preemptionCount: Int = 0, draftedTokens: Int = 0,
    acceptedTokens: Int = 0
  ) {
    self.finishReason = finishReason
    self.promptTokens = promptTokens
    self.cachedPromptTokens = cachedPromptTokens
    self.outputTokens = outputTokens
    self.seed = seed
    self.prefillDuration = prefillDuration
    self.decodeDuration = decodeDuration
    self.queueDuration = queueDuration
    self.preemptionCount = preemptionCount
    self.draftedTokens = draftedTokens
    self.acceptedTokens = acceptedTokens
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
