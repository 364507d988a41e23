public import Kernels
public import Placement

/// What a user wants of a cluster.
public struct PlanRequest: Sendable {
  /// Tokens that a prompt and its answer may have together.
  public var contextLength = 8192
  /// Sequences that have room for as many at the same time.
  public var sequenceCount = 1
  /// How keys and values are stored; nil: as the engine would.
  public var kvFormat: KVFormat?
  /// Prompt tokens that are run in one step.
  public var stepTokenCount = 512
  /// The prompt whose first token is predicted.
  public var promptTokenCount = 512
  /// Sequences that decode together, of which throughput is predicted.
  public var batches = [1, 4, 16, 64]
  /// Workers that hold each group.
  public var replicaCount = 1

  /// The defaults above.
  public init() {}
}

/// What a cluster will do with a model, before anything is bought or loaded.
public struct ClusterPlan: Sendable {
  /// What one machine holds.
  public struct Holding: Sendable, Hashable {
    /// The machine's name.
    public let name: String
    /// Whether it is the coordinator.
    public let isCoordinator: Bool
    /// Bytes that it may use.
    public let memoryByteCount: Int
    /// Bytes of the trunk, with what the process needs besides.
    public let trunkByteCount: Int
    /// Bytes of keys and values.
    public let cacheByteCount: Int
    /// Bytes of routed experts.
    public let expertByteCount: Int
    /// Expert groups.
    public let groupCount: Int

    /// Bytes of everything.
    public var usedByteCount: Int { trunkByteCount + cacheByteCount + expertByteCount }
  }

  /// Decoding of several sequences.
  public struct Batch: Sendable {
    /// Sequences.
    public let sequenceCount: Int
    /// Tokens per second of all of them together.
    public let tokensPerSecond: Double
    /// What a million tokens cost at that rate; nil without prices.
    public let costPerMillionTokens: Double?
  }

  /// What would become of a change.
  public struct Change: Sendable {
    /// What is changed.
    public let name: String
    /// Tokens per second of one sequence.
    public let decodeTokensPerSecond: Double
    /// Tokens per second of the largest batch.
    public let batchTokensPerSecond: Double
    /// Prompt tokens per second.
    public let prefillTokensPerSecond: Double
  }

  /// The machines, the coordinator first.
  public let holdings: [Holding]
  /// Who holds which group; nil for a dense model, and when the coordinator holds all.
  public let placement: PlacementPlan?
  /// How keys and values are stored.
  public let kvFormat: KVFormat
  /// Where the time of a token goes, with one sequence in the middle of its context.
  public let step: StepTime
  /// Positions before that token.
  public let position: Int
  /// Seconds from a prompt to its first token.
  public let timeToFirstToken: Double
  /// Prompt tokens per second.
  public let prefillTokensPerSecond: Double
  /// Throughput against batch.
  public let batches: [Batch]
  /// What is waited for most, in words.
  public let bottleneck: String
  /// What would change if something did.
  public let changes: [Change]

  /// Tokens per second of one sequence.
  public var decodeTokensPerSecond: Double { 1 / step.seconds }
}

/// Why a model does not fit, with the numbers.
public struct PlanRefusal: Error, Hashable, Sendable, CustomStringConvertible {
  /// Everything that does not fit.
  public let reasons: [String]
  /// What the machines would hold, as far as that is known.
  public let holdings: [ClusterPlan.Holding]

  /// One line.
  public var description: String { "the model does not fit: " + reasons.joined(separator: "; ") }

  /// Two refusals are equal when they say the same.
  public static func == (a: Self, b: Self) -> Bool { a.reasons == b.reasons }

  /// Hashes what equality looks at.
  public func hash(into hasher: inout Hasher) { hasher.combine(reasons) }
}
