import DeepSeek
import Experts
import Tensors
import Tokenization

/// Runs random tokens through a model, step by step, as servers batch them.
///
/// The tokens of decode steps are random as well: what a model with random weights would choose
/// soon repeats, and with it the experts, which the caches would then hold.
final class RandomSequences {
  /// Logits of the last step: a row per sequence.
  private(set) var logits: FloatMatrix

  private let model: DeepSeekModel
  private let experts: (any ExpertBackend)?
  private var step = StepBatch()
  private var random = SampleTokens()

  /// Makes room for steps of up to `sequences` sequences.
  init(_ session: ModelSession, sequences: Int) {
    model = session.trunk
    experts = session.experts
    logits = FloatMatrix(rows: sequences, columns: model.configuration.vocabularySize)
  }

  func makeCache(capacity: Int) throws -> KVCache { try model.makeCache(capacity: capacity) }

  /// Runs the first `count` tokens of a sequence in steps of the largest size.
  func prefill(_ cache: KVCache, count: Int) throws {
    cache.truncate(to: 0)
    while cache.length < count {
      let tokens = random.next(min(model.maxStepRows, count - cache.length), of: vocabularySize)
      step.removeAll()
      step.append(
        tokens.span, to: cache, wanted: cache.length + tokens.count == count ? .last : .none)
      try model.forward(step, experts: experts, logits: &logits)
    }
  }

  /// Runs one more token of every sequence in one step.
  func decode(_ caches: [KVCache]) throws {
    step.removeAll()
    let tokens = random.next(caches.count, of: vocabularySize)
    for (index, cache) in caches.enumerated() {
      step.append(tokens.span.extracting(index..<index + 1), to: cache)
    }
    try model.forward(step, experts: experts, logits: &logits)
  }

  /// Runs `body` and adds up where the time of its steps goes.
  func profile(_ body: () throws -> Void) rethrows -> StepProfile {
    let profile = StepProfile()
    model.profile = profile
    defer { model.profile = nil }
    try body()
    return profile
  }

  private var vocabularySize: Int { model.configuration.vocabularySize }
}

/// The same random tokens in every run.
struct SampleTokens {
  private var state: UInt64 = 1

  /// The first of them.
  static func next(_ count: Int, of vocabularySize: Int) -> [TokenID] {
    var tokens = SampleTokens()
    return tokens.next(count, of: vocabularySize)
  }

  mutating func next(_ count: Int, of vocabularySize: Int) -> [TokenID] {
    (0..<count).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return TokenID(truncatingIfNeeded: (state >> 33) % UInt64(vocabularySize))
    }
  }
}
