import Tensors
public import Tokenization

/// Runs requests on a model, one at a time, on the thread that calls.
///
/// Commands use it directly; `Engine` puts it on a thread of its own.
public final class TextGenerator<Model: LanguageModel> {
  /// Turns the model's tokens into text.
  public let tokenizer: Tokenizer
  /// The most tokens that a prompt and its answer may have together.
  public let contextLength: Int
  /// Whether a prompt that starts like the sequence before continues it instead of running again.
  ///
  /// The answer is the same either way. Off where one client must not learn from the time to the
  /// first token what another one has asked.
  public let reusesPrefix: Bool
  /// Whether drafted tokens are verified beside the next one.
  public let speculation: Speculation

  let model: Model
  private let cache: Model.Cache
  private var cached: [TokenID] = []  // the tokens whose keys and values `cache` holds
  private let sampleable: SampleableTokens
  private var workspace: SamplerWorkspace
  private var logits: FloatMatrix  // (1 and its drafts, vocabulary)
  private var cost = StepCost()

  /// Allocates the cache and the sampler's buffers.
  ///
  /// - Parameters:
  ///   - model: A loaded model, used by nobody else from now on.
  ///   - tokenizer: The model's own.
  ///   - contextLength: Room in the cache, in tokens; nil and anything above the model's own: that.
  ///   - reusesPrefix: See the property.
  ///   - speculation: See the property.
  /// - Throws: When the model cannot make a cache of that size.
  public init(
    _ model: Model, tokenizer: Tokenizer, contextLength: Int? = nil, reusesPrefix: Bool = false,
    speculation: Speculation = .off
  ) throws {
    self.model = model
    self.tokenizer = tokenizer
    self.reusesPrefix = reusesPrefix
    self.speculation = speculation
    self.contextLength = min(contextLength ?? model.contextLength, model.contextLength)
    cache = try model.makeCache(capacity: self.contextLength)
    sampleable = SampleableTokens(vocabularySize: model.vocabularySize) { id in
      id >= tokenizer.vocabularySize || tokenizer.isUnused(TokenID(truncatingIfNeeded: id))
    }
    workspace = SamplerWorkspace(vocabularySize: model.vocabularySize)
    logits = FloatMatrix(
      rows: min(1 + speculation.draftLimit, model.maxStepRows), columns: model.vocabularySize)
  }

  /// Continues a prompt.
  ///
  /// - Parameters:
  ///   - request: What to do.
  ///   - isCancelled: Asked before every step.
  ///   - onEvent: Called with every event, on this thread, `finished` included.
  /// - Returns: The summary, which is also the last event.
  /// - Throws: `InferenceError`; the generator stays usable.
  @discardableResult
  public func generate(
    _ request: GenerationRequest, isCancelled: () -> Bool = { false },
    onEvent: (GenerationEvent) -> Void
  ) throws(InferenceError) -> GenerationSummary {
    let maxTokens = try capacity(for: request)
    var state = try SequenceState(
      request, maxTokens: maxTokens, tokenizer: tokenizer, tokens: sampleable)
    let start = ContinuousClock.now
    let reused = try prefill(request.prompt, isCancelled: isCancelled)
    let prefilled = ContinuousClock.now
    if cached.count < request.prompt.count { state.finish(.cancelled, emit: onEvent) }
    var drafter = Drafter(speculation)
    while state.finishReason == nil {
      let drafts = drafter.draft?.tokens ?? []
      let choices = state.choose(logits, from: 0, drafts: drafts, workspace: &workspace)
      drafter.record(choices.acceptedCount)
      // What follows a draft that was wrong was computed in vain.
      if !drafts.isEmpty { forget(from: cached.count - drafts.count + choices.acceptedCount) }
      try state.take(choices, emit: onEvent)
      guard state.finishReason == nil else { break }
      guard !isCancelled() else { state.finish(.cancelled, emit: onEvent); break }
      drafter.propose(for: state, cost: cost, most: logits.rows - 1)
      try runNext(state.tokens, drafter.draft?.tokens ?? [])
    }
    let summary = GenerationSummary(
      finishReason: state.finishReason ?? .stop, promptTokens: request.prompt.count,
      cachedPromptTokens: reused, outputTokens: state.outputCount, seed: state.seed,
      prefillDuration: prefilled - start, decodeDuration: ContinuousClock.now - prefilled,
      draftedTokens: drafter.draftedCount,
      acceptedTokens: drafter.acceptedCount)
    onEvent(.finished(summary))
    return summary
  }

  /// Checks what can be checked of a request before it waits for its turn.
  public func validate(_ request: GenerationRequest) throws(InferenceError) {
    try limits.validate(request)
  }
}

extension TextGenerator {
  /// The bounds that requests are checked against; usable from any thread.
  var limits: RequestLimits {
    RequestLimits(contextLength: contextLength, vocabularySize: model.vocabularySize)
  }

  private func capacity(for request: GenerationRequest) throws(InferenceError) -> Int {
    try limits.validate(request)
    return request.maxTokens ?? contextLength - request.prompt.count
  }

  /// Runs the part of the prompt that the cache does not hold, in chunks.
  ///
  /// - Returns: How many tokens were reused. When cancelled, `cached` is shorter than the prompt.
  private func prefill(
    _ prompt: [TokenID], isCancelled: () -> Bool
  ) throws(InferenceError) -> Int {
    let reused = reusesPrefix ? commonPrefix(cached, prompt.dropLast()) : 0
    forget(from: reused)
    while cached.count < prompt.count, !isCancelled() {
      let end = min(cached.count + model.maxStepRows, prompt.count)
      try run(prompt, cached.count..<end, wanted: end == prompt.count ? .last : .none)
    }
    return reused
  }

  /// Runs the last known token and drafts after it.
  private func runNext(
    _ tokens: [TokenID], _ drafts: [TokenID]
  ) throws(InferenceError) {
    let last = tokens.count - 1..<tokens.count
    guard !drafts.isEmpty else { return try run(tokens, last, wanted: .last) }
    try run(tokens + drafts, last.lowerBound..<last.upperBound + drafts.count, wanted: .all)
  }

  private func run(
    _ tokens: [TokenID], _ range: Range<Int>, wanted: WantedLogits
  ) throws(InferenceError) {
    try run(tokens, range, wanted: wanted, logits: &logits)
  }

  /// Runs `tokens[range]`, which follow what is cached.
  func run(
    _ tokens: [TokenID], _ range: Range<Int>, wanted: WantedLogits, logits: inout FloatMatrix
  ) throws(InferenceError) {
    let start = ContinuousClock.now
    do {
      try model.forward(
        tokens.span.extracting(range), cache: cache, wanted: wanted, logits: &logits)
    } catch {
      forget(from: 0)
      throw .stepFailed("\(error)")
    }
    cost.record(rows: range.count, seconds: (ContinuousClock.now - start) / .seconds(1))
    cached.append(contentsOf: tokens[range])
  }

  /// Keeps the first `length` tokens in the cache.
  func forget(from length: Int) {
    cache.truncate(to: length)
    cached.removeSubrange(length...)
  }

  private func commonPrefix(_ a: [TokenID], _ b: ArraySlice<TokenID>) -> Int {
    zip(a, b).prefix { $0 == $1 }.count
  }
}
