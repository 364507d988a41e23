/// A sequence that the engine has accepted, with its cache while it has one.
///
/// Used by the engine's thread, and by one thread of the team while its next token is chosen.
final class ActiveSequence<Cache: SequenceCache> {
  let id: SequenceID
  let submission: Submission
  var state: SequenceState
  var cache: Cache?
  /// Nodes of the prefix tree that the cache's first pages belong to.
  var path: [PrefixNodeID] = []
  /// Whether somebody else's pages hold the same tokens as those that follow in this cache.
  var hasTwin = false
  /// Where its rows of logits begin in the step that runs; one row, and one more for each draft.
  var firstRow = 0
  /// Tokens that the step that runs verifies.
  var draft: PromptLookup?
  /// How good drafts have been.
  var acceptance = DraftAcceptance()
  /// The next tokens, between sampling and their events.
  var choices: SequenceState.Choices?

  /// Prompt tokens that were not run at the first start; nil before it.
  var cachedPromptTokens: Int?
  var preemptionCount = 0
  var draftedCount = 0
  var acceptedCount = 0
  var startTime: Duration?
  var firstTokenTime: Duration?
  var lastTokenTime: Duration?

  init(id: SequenceID, submission: Submission, state: SequenceState) {
    self.id = id
    self.submission = submission
    self.state = state
  }

  /// How the request went, as far as it went.
  func summary(at time: Duration) -> GenerationSummary {
    let start = startTime ?? time
    let prefilled = firstTokenTime ?? time
    return GenerationSummary(
      finishReason: state.finishReason ?? .cancelled, promptTokens: state.promptCount,
      cachedPromptTokens: cachedPromptTokens ?? 0, outputTokens: state.outputCount,
      seed: state.seed, prefillDuration: prefilled - start, decodeDuration: time - prefilled,
      queueDuration: start - submission.time, preemptionCount: preemptionCount,
      draftedTokens: draftedCount, acceptedTokens: acceptedCount)
  }
}
