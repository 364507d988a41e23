public import Kernels
public import Tensors
public import Tokenization

/// What the engine needs of a model: the next tokens of sequences in, logits out.
///
/// A model is used by one thread at a time and may block on remote experts.
public protocol LanguageModel: AnyObject, SendableMetatype {
  /// Where the keys and values of sequences live.
  associatedtype Pool: CachePool
  /// The keys and values of one sequence.
  typealias Cache = Pool.Cache

  /// Logits per row; may exceed the tokenizer's vocabulary by padding.
  var vocabularySize: Int { get }
  /// The longest sequence that the model was made for.
  var contextLength: Int { get }
  /// The most tokens that one `forward` takes.
  var maxStepRows: Int { get }
  /// Threads that the sampler may use between steps; nil: the caller's alone.
  var team: ThreadTeam? { get }
  /// What one page of keys and values takes, in bytes.
  var bytesPerPage: Int { get }

  /// Makes room for the keys and values of `pageCount` pages; memory is taken as it is used.
  func makePool(pageCount: Int) throws -> Pool

  /// Runs tokens of any mix of sequences, each after what its cache holds, and adds them to it.
  ///
  /// - Parameters:
  ///   - step: One to `maxStepRows` tokens; each cache has room reserved for its part.
  ///   - logits: Receives one row per wanted token, in the order of the step, from row 0;
  ///     `vocabularySize` columns.
  /// - Throws: What went wrong, in one line; the caches hold what they held before.
  func forward(_ step: TokenBatch<Cache>, logits: inout FloatMatrix) throws
}

extension LanguageModel {
  /// None: the sampler runs on the engine's thread.
  public var team: ThreadTeam? { nil }

  /// Makes room for one sequence of `capacity` tokens.
  public func makeCache(capacity: Int) throws -> Cache {
    let pageTokens = Pool.pageTokens
    return try makePool(pageCount: (max(capacity, 1) - 1) / pageTokens + 1).makeCache()
  }

  /// Runs tokens of one sequence that follow what `cache` holds.
  ///
  /// - Throws: What the cache throws when it has no room, or what the step throws.
  public func forward(
    _ tokens: Span<TokenID>, cache: Cache, wanted: WantedLogits, logits: inout FloatMatrix
  ) throws {
    try cache.reserve(tokens.count)
    var step = TokenBatch<Cache>()
    step.append(tokens, to: cache, wanted: wanted)
    try forward(step, logits: &logits)
  }
}

/// Which tokens of a step the caller wants logits of.
public enum WantedLogits: Sendable {
  /// Of none: a part of a prompt that is not its end.
  case none
  /// Of the last token: the end of a prompt, or a decode step.
  case last
  /// Of every token.
  case all
}

/// The tokens of one step: parts of any mix of sequences.
public struct TokenBatch<Cache: SequenceCache> {
  /// Consecutive tokens of one sequence.
  public struct Part {
    /// Where they stand in `tokens`.
    public let range: Range<Int>
    /// What they follow.
    public let cache: Cache
    /// Which of their logits to compute.
    public let wanted: WantedLogits
  }

  /// The tokens of all parts.
  public private(set) var tokens: [TokenID] = []
  /// The parts, one per sequence.
  public private(set) var parts: [Part] = []

  /// An empty step.
  public init() {}

  /// Adds tokens that follow what `cache` holds; a sequence may be added once per step.
  public mutating func append(_ tokens: Span<TokenID>, to cache: Cache, wanted: WantedLogits) {
    let start = self.tokens.count
    for index in tokens.indices { self.tokens.append(tokens[index]) }
    parts.append(Part(range: start..<self.tokens.count, cache: cache, wanted: wanted))
  }

  /// Empties the step and keeps its memory.
  public mutating func removeAll() {
    tokens.removeAll(keepingCapacity: true)
    parts.removeAll(keepingCapacity: true)
  }
}
