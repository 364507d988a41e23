public import DeepSeek
public import Experts
public import Tensors
public import Tokenization

/// A DeepSeek model together with its routed experts, as the engine sees it.
public final class DeepSeekLanguageModel: LanguageModel {
  private let model: DeepSeekModel
  private let experts: (any ExpertBackend)?
  private var step = StepBatch()

  /// Joins a loaded model and its experts, local or remote; a dense model has none.
  public init(_ model: DeepSeekModel, experts: (any ExpertBackend)?) {
    self.model = model
    self.experts = experts
  }

  /// Logits per row.
  public var vocabularySize: Int { model.configuration.vocabularySize }
  /// The longest sequence that the model was made for.
  public var contextLength: Int { model.configuration.contextLength }
  /// The most tokens that one `forward` takes.
  public var maxStepRows: Int { model.maxStepRows }

  /// Makes room for a sequence; memory is taken as it grows.
  public func makeCache(capacity: Int) throws -> KVCache {
    try model.makeCache(capacity: capacity)
  }

  /// Runs tokens that follow what `cache` holds.
  public func forward(
    _ tokens: Span<TokenID>, cache: KVCache, wanted: WantedLogits, logits: inout FloatMatrix
  ) throws {
    step.removeAll()
    step.append(tokens, to: cache, wanted: wanted.ofSequence)
    try model.forward(step, experts: experts, logits: &logits)
  }
}

extension KVCache: SequenceCache {}

extension WantedLogits {
  fileprivate var ofSequence: StepBatch.WantedLogits {
    switch self {
    case .none: .none
    case .last: .last
    case .all: .all
    }
  }
}
