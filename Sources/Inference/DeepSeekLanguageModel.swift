public import DeepSeek
public import Experts
public import Kernels
public import Tensors

/// A DeepSeek model together with its routed experts, as the engine sees it.
public final class DeepSeekLanguageModel: LanguageModel {
  private let model: DeepSeekModel
  private let experts: (any ExpertBackend)?
  private var step = StepBatch()
  /// Threads that the sampler may use between steps.
  public let team: ThreadTeam?

  /// Joins a loaded model and its experts, local or remote; a dense model has none.
  ///
  /// - Parameters:
  ///   - model: The model without its experts.
  ///   - experts: Its experts.
  ///   - team: The threads that the model computes with, for the sampler to use between steps.
  public init(_ model: DeepSeekModel, experts: (any ExpertBackend)?, team: ThreadTeam? = nil) {
    self.model = model
    self.experts = experts
    self.team = team
  }

  /// Logits per row.
  public var vocabularySize: Int { model.configuration.vocabularySize }
  /// The longest sequence that the model was made for.
  public var contextLength: Int { model.configuration.contextLength }
  /// The most tokens that one `forward` takes.
  public var maxStepRows: Int { model.maxStepRows }
  /// What one page of keys and values takes, in bytes.
  public var bytesPerPage: Int { model.bytesPerPage }

  /// Makes room for the keys and values of `pageCount` pages; memory is taken as it is used.
  public func makePool(pageCount: Int) throws -> KVPool {
    try model.makePool(pageCount: pageCount)
  }

  /// Runs tokens of any mix of sequences.
  public func forward(_ batch: TokenBatch<KVCache>, logits: inout FloatMatrix) throws {
    step.removeAll()
    defer { step.removeAll() }
    for part in batch.parts {
      step.append(
        batch.tokens.span.extracting(part.range), to: part.cache,
        wanted: part.wanted.ofSequence)
    }
    try model.forward(step, experts: experts, logits: &logits)
  }
}

extension KVCache: SequenceCache {}

extension KVPool: CachePool {
  /// A cache without tokens, which may grow until it has all pages.
  public func makeCache() -> KVCache { KVCache(self, capacity: pageCount * Self.pageTokens) }

  /// A cache that starts with whole pages which others hold, too; it retains them.
  public func makeCache(sharing pages: [KVPage]) -> KVCache {
    KVCache(self, sharing: pages, capacity: pageCount * Self.pageTokens)
  }

  /// A page with whatever `fill` writes; nil when none is free, or `fill` says that it failed.
  public func takePage(filling fill: (inout MutableRawSpan) -> Bool) -> KVPage? {
    guard let page = take() else { return nil }
    if withMutableBytes(of: page, fill) { return page }
    release(page)
    return nil
  }
}

extension WantedLogits {
  fileprivate var ofSequence: StepBatch.WantedLogits {
    switch self {
    case .none: .none
    case .last: .last
    case .all: .all
    }
  }
}
