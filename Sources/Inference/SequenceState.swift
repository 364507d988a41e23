import Tensors
import Tokenization

/// One request on its way: its tokens so far, its sampler, and the text that is certain.
///
/// Holds no model and no clock: logits go in, events come out.
struct SequenceState {
  /// The prompt, then the answer's tokens.
  private(set) var tokens: [TokenID]
  /// Set when nothing more is to be run.
  private(set) var finishReason: FinishReason?
  /// Tokens of the answer.
  private(set) var outputCount = 0

  private let stopTokens: Set<TokenID>
  private let maxTokens: Int
  private var sampler: Sampler
  private var decoder: StreamDecoder
  private var trimmer: PrefixTrimmer
  private var stopStrings: StopStrings

  /// Prepares for the first logits; `maxTokens` is at most what the context has room for.
  init(
    _ request: GenerationRequest, maxTokens: Int, tokenizer: Tokenizer, tokens: SampleableTokens
  ) throws(InferenceError) {
    self.maxTokens = maxTokens
    self.tokens = request.prompt
    self.tokens.reserveCapacity(request.prompt.count + maxTokens)
    stopTokens = request.stopTokens
    sampler = try Sampler(
      request.sampling, tokens: tokens, prompt: request.prompt, expected: maxTokens)
    decoder = StreamDecoder(tokenizer)
    trimmer = PrefixTrimmer(request.answerPrefix)
    stopStrings = StopStrings(request.stopStrings)
  }

  var seed: UInt64 { sampler.seed }

  /// Chooses the next token from one row of logits and tells what that makes certain.
  mutating func take(
    _ logits: borrowing FloatMatrix, row: Int, workspace: inout SamplerWorkspace,
    emit: (GenerationEvent) -> Void
  ) throws(InferenceError) {
    let token = try sampler.sample(logits.row(row), workspace: &workspace)
    guard !stopTokens.contains(token) else { return finish(.stop, emit: emit) }
    tokens.append(token)
    outputCount += 1
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
