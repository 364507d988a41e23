public import Telemetry

/// How an engine shares its model among requests.
public struct EngineOptions: Sendable {
  /// The most tokens that a prompt and its answer may have together; nil: what the model was made
  /// for.
  public var contextLength: Int?
  /// Bytes for the keys and values of all sequences and of the prefix cache, taken as they are used.
  ///
  /// Nil gives room for four sequences of the full context length.
  public var cacheMemory: Int?
  /// The most sequences that run at a time.
  public var maxSequences = 64
  /// The most requests that wait for their first step.
  public var queueLimit = 256
  /// How long a step may become by running prompts beside sequences that are being answered; nil:
  /// twice as long as it would be without.
  public var maxInterTokenLatency: Duration?
  /// Whether the keys and values of what was run before are used for requests of the same tenant
  /// that begin alike.
  public var usesPrefixCache = true
  /// Whether drafted tokens are verified beside the next ones.
  public var speculation = Speculation.off
  /// Where prefixes go that memory has no room for; nil: nowhere.
  public var prefixStore: PrefixStoreOptions?
  /// Work that a `TokenConstraint` may do for one token.
  public var constraintWorkPerToken = EngineOptions.defaultConstraintWork
  /// How many finished requests with an id can still be attached to.
  public var rememberedRequestLimit = 256
  /// For how long.
  public var rememberedDuration = Duration.seconds(600)
  /// Where requests are written down that must survive a crash; nil: none can be submitted.
  public var journal: RequestJournal?
  /// Beats with every step, and rests while there is nothing to do.
  public var heartbeat: Heartbeat?

  /// Others wait meanwhile: this is a few tenths of a second for the worst grammar.
  static let defaultConstraintWork = 1 << 19

  /// The defaults above.
  public init() {}
}

/// Where prefixes go that memory has no room for.
public struct PrefixStoreOptions: Sendable {
  /// A folder, in which a file without a name is made.
  public var folder: String
  /// The most that the file takes.
  public var byteCount: Int
  /// Told, once, when the disk fails; requests go on without the store.
  public var onFailure: @Sendable (String) -> Void

  /// Names a folder and the most bytes to put there.
  public init(
    folder: String, byteCount: Int, onFailure: @escaping @Sendable (String) -> Void = { _ in }
  ) {
    self.folder = folder
    self.byteCount = byteCount
    self.onFailure = onFailure
  }
}
