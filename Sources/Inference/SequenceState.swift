import Tensors
import Tokenization

/// One request on its way: its tokens so far, its sampler, and the text that is certain.
///
/// Holds no model and no clock: logits go in, events come out.
struct SequenceState {
  /// The prompt, then the answer's tokens.
  private(set) var tokens: [TokenID]
  /// Tokens of the prompt.
  let promptCount: Int
  /// Set when nothing more is to be run.
  private(set) var finishReason: FinishReason?
  /// Tokens of the answer.
  private(set) var outputCount = 0

  private let stopTokens: Set<TokenID>
  private let maxTokens: Int
  private let topLogprobs: Int?
  private var sampler: Sampler
  private var constraint: FollowedConstraint?
  private var decoder: StreamDecoder
  private var trimmer: PrefixTrimmer
  private var stopStrings: StopStrings

  /// A token and what is to be told of it.
  struct Choice: Sendable {
    let token: TokenID
    let logProbabilities: TokenLogProbabilities?
  }

  /// The tokens that one step yields: the next one, and one more for each draft that was right.
  struct Choices: Sendable {
    fileprivate(set) var tokens: [Choice] = []
    /// Drafts that were what was chosen.
    fileprivate(set) var acceptedCount = 0
    /// Why there is no token after these.
    fileprivate(set) var failure: InferenceError?
  }

  /// Prepares for the first logits; `maxTokens` is at most what the context has room for.
  init(
    _ request: GenerationRequest, maxTokens: Int, tokenizer: Tokenizer, tokens: SampleableTokens,
    constraintWork: Int = EngineOptions.defaultConstraintWork
  ) throws(InferenceError) {
    self.maxTokens = maxTokens
    self.tokens = request.prompt
    promptCount = request.prompt.count
    stopTokens = request.stopTokens
    topLogprobs = request.topLogprobs
    sampler = try Sampler(
      request.sampling, tokens: tokens, prompt: request.prompt, expected: maxTokens)
    constraint = request.constraint.map {
      FollowedConstraint($0, vocabularySize: tokens.vocabularySize, workPerToken: constraintWork)
    }
    decoder = StreamDecoder(tokenizer, showing: request.shownTokens)
    trimmer = PrefixTrimmer(request.answerPrefix)
    stopStrings = StopStrings(request.stopStrings)
  }

  var seed: UInt64 { sampler.seed }

  /// Tokens that are likely to follow; fewer than the answer has room for.
  func draft(most count: Int) -> PromptLookup? {
    let room = min(count, maxTokens - outputCount - 1)
    guard room > 0, var draft = PromptLookup(after: tokens.span, most: room) else { return nil }
    draft.cut(at: stopTokens)
    return draft.tokens.isEmpty ? nil : draft
  }

  /// Chooses the next token, and from the row after each draft that was right one more.
  ///
  /// Row `row` has the logits after the last known token; those after each of `drafts`, which were
  /// run as well, follow.
  mutating func choose(
    _ logits: borrowing FloatMatrix, from row: Int, drafts: [TokenID],
    workspace: inout SamplerWorkspace
  ) -> Choices {
    var choices = Choices()
    do throws(InferenceError) {
      for index in 0...drafts.count {
        let choice = try choose(logits, row: row + index, workspace: &workspace)
        choices.tokens.append(choice)
        guard index < drafts.count, choice.token == drafts[index] else { break }
        choices.acceptedCount += 1
      }
    } catch {
      choices.failure = error
    }
    return choices
  }

  /// Adds tokens that have been chosen, up to the one that ends the answer.
  ///
  /// Calls `onToken` after each token of the answer.
  /// - Throws: The failure behind them, if the answer has not ended before it.
  mutating func take(
    _ choices: Choices, emit: (GenerationEvent) -> Void, onToken: () -> Void = {}
  ) throws(InferenceError) {
    for choice in choices.tokens {
      let before = outputCount
      take(choice, emit: emit)
      if outputCount > before { onToken() }
      if finishReason != nil { return }
    }
    if let failure = choices.failure { throw failure }
  }

  /// Chooses the next token from its logits; `take` has to follow.
  private mutating func choose(
    _ logits: borrowing FloatMatrix, row: Int, workspace: inout SamplerWorkspace
  ) throws(InferenceError) -> Choice {
    let logits = logits.row(row)
    let token: TokenID
    if constraint != nil {
      token = try chooseAllowed(logits, workspace: &workspace)
    } else {
      token = try sampler.sample(logits, workspace: &workspace)
    }
    let probabilities = topLogprobs.map {
      sampler.logProbabilities(of: token, top: $0, logits, workspace: &workspace)
    }
    return Choice(token: token, logProbabilities: probabilities)
  }

  private mutating func chooseAllowed(
    _ logits: Span<Float>, workspace: inout SamplerWorkspace
  ) throws(InferenceError) -> TokenID {
    guard let mask = try constraint?.nextMask() else { throw .unusableLogits }
    let token: TokenID
    do {
      token = try sampler.sample(logits, allowing: mask, workspace: &workspace)
    } catch .unusableLogits {
      throw .constraintFailed(
        "no token of the model continues the answer in the response format; change its schema")
    }
    if !stopTokens.contains(token) { try constraint?.accept(token) }
    return token
  }

  /// Adds a token that has been chosen and tells what that makes certain.
  private mutating func take(_ choice: Choice, emit: (GenerationEvent) -> Void) {
    let token = choice.token
    guard !stopTokens.contains(token) else { return finish(.stop, emit: emit) }
    tokens.append(token)
    outputCount += 1
    if let probabilities = choice.logProbabilities { emit(.logProbabilities(probabilities)) }
    emit(.token(token))
    let (text, stopped) = stopStrings.append(trimmer.append(decoder.append(token)))
    if !text.isEmpty { emit(.text(text)) }
    if stopped {
      finishReason = .stop
    } else if outputCount == maxTokens {
      finish(.length, emit: emit)
    }
  }

  /// Ends the answer and releases the characters that were held back.
  mutating func finish(_ reason: FinishReason, emit: (GenerationEvent) -> Void) {
    finishReason = reason
    let end = trimmer.append(decoder.finish()) + trimmer.finish()
    let (text, stopped) = stopStrings.append(end)
    let rest = stopped ? text : text + stopStrings.finish()
    if !rest.isEmpty { emit(.text(rest)) }
  }
}

/// A constraint on its way through an answer, with its mask and its budget.
private struct FollowedConstraint {
  private var constraint: any TokenConstraint
  private var mask: TokenMask  // (vocabulary)
  private let workPerToken: Int

  init(_ constraint: any TokenConstraint, vocabularySize: Int, workPerToken: Int) {
    self.constraint = constraint
    self.workPerToken = workPerToken
    mask = TokenMask(count: vocabularySize)
  }

  mutating func nextMask() throws(InferenceError) -> TokenMask {
    let count = mask.count
    mask.removeAll()
    var budget = ConstraintBudget(workPerToken)
    do {
      try constraint.allowNext(in: &mask, budget: &budget)
    } catch { throw .constraintFailed(error.description) }
    guard mask.count == count else {
      throw .constraintFailed("the response format was prepared for another vocabulary")
    }
    return mask
  }

  mutating func accept(_ token: TokenID) throws(InferenceError) {
    var budget = ConstraintBudget(workPerToken)
    do {
      try constraint.accept(token, budget: &budget)
    } catch { throw .constraintFailed(error.description) }
  }
}
