public import Telemetry

/// What an engine is doing and has done since it started.
public struct EngineStatus: Sendable {
  /// Where the time of steps went.
  public struct Phases: Sendable {
    /// Composing steps, and taking requests in.
    public internal(set) var scheduling = Duration.zero
    /// The model's forward passes.
    public internal(set) var forward = Duration.zero
    /// Choosing tokens.
    public internal(set) var sampling = Duration.zero
    /// Turning tokens into events.
    public internal(set) var events = Duration.zero
  }

  /// Sequences that have a cache.
  public internal(set) var runningCount = 0
  /// Requests that wait, preempted ones included.
  public internal(set) var waitingCount = 0

  /// Tokens per page of keys and values.
  public internal(set) var pageSize = 0
  /// Pages in all.
  public internal(set) var pageCount = 0
  /// Pages that running sequences use.
  public internal(set) var usedPageCount = 0
  /// Pages that only the prefix cache uses; they are given up when others need them.
  public internal(set) var idlePrefixPageCount = 0
  /// Pages of prefixes that are on disk.
  public internal(set) var storedPrefixPageCount = 0
  /// Pages that came back from there.
  public internal(set) var loadedPrefixPageCount = 0
  /// Pages that nobody uses.
  public var freePageCount: Int { pageCount - usedPageCount - idlePrefixPageCount }

  /// Requests that ended with an answer.
  public internal(set) var finishedCount = 0
  /// Requests that were cancelled.
  public internal(set) var cancelledCount = 0
  /// Requests that ended with an error.
  public internal(set) var failedCount = 0
  /// How often a sequence had to give its pages away.
  public internal(set) var preemptionCount = 0
  /// Steps that failed.
  public internal(set) var failedStepCount = 0

  /// Prompt tokens of all requests that started.
  public internal(set) var promptTokens = 0
  /// Those of them that were found in the prefix cache.
  public internal(set) var cachedPromptTokens = 0
  /// Tokens of answers.
  public internal(set) var outputTokens = 0
  /// Tokens that were drafted and verified.
  public internal(set) var draftedTokens = 0
  /// Those of them that were right.
  public internal(set) var acceptedTokens = 0
  /// Tokens of answers per second, over the last ten seconds.
  public internal(set) var outputTokensPerSecond = 0.0

  /// Time per step.
  public internal(set) var stepTime = LatencyHistogram()
  /// From submission to the first token.
  public internal(set) var timeToFirstToken = LatencyHistogram()
  /// From a token of an answer to the next one.
  public internal(set) var interTokenLatency = LatencyHistogram()
  /// Sums over all steps.
  public internal(set) var phases = Phases()

  /// The share of prompt tokens that came from the prefix cache, 0…1.
  public var prefixHitRate: Double {
    promptTokens > 0 ? Double(cachedPromptTokens) / Double(promptTokens) : 0
  }
}
