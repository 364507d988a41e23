public import Experts
public import Kernels
public import ModelFiles
public import Tensors

/// A model of the DeepSeek family without its routed experts: tokens in, logits out.
///
/// One thread uses a model at a time. A step is synchronous and allocates nothing of its own once
/// the model is made; it blocks only on the expert backend.
public final class DeepSeekModel {
  /// The hyperparameters.
  public let configuration: ModelConfiguration
  /// Where the experts that workers may hold lie in the model's files; nil for a dense model.
  public let catalog: ExpertCatalog?
  /// Rows that one step may have.
  public let maxStepRows: Int
  /// Sees what happens inside steps, when set.
  public weak var observer: (any StepObserver)?
  /// Adds up where the time of steps goes, when set.
  public var profile: StepProfile? {
    didSet { for lane in lanes { lane.profile = profile } }
  }

  /// Whether steps are run in parts; room for the other parts is made when it is set.
  ///
  /// Worth it where experts are far away. Steps that are observed are run whole.
  public var overlap = Overlap.off {
    didSet { makeLanes(overlap.partLimit) }
  }

  /// How keys and values are stored.
  public var kvFormat: KVFormat { cacheLayout.format }

  /// What one page of a pool takes, in bytes.
  public var bytesPerPage: Int { configuration.layerCount * cacheLayout.tile.byteCount }

  let trunk: Trunk
  let cacheLayout: CacheLayout
  let kernels: Kernels
  /// One for whole steps, and those that share steps with it.
  var lanes: [Lane]
  private(set) var tuner = OverlapTuner()

  /// Loads the trunk of a model: everything but its routed experts.
  ///
  /// - Parameters:
  ///   - archive: an opened model; it is read here and not kept.
  ///   - kernels: who computes, here and in every step.
  ///   - routing: whose routing rule to follow where engines disagree.
  ///   - computesShared: whether shared experts are computed here; else the expert backend does, and
  ///     they are not loaded.
  ///   - maxStepRows: the most rows that a step may have; memory grows with it.
  ///   - kvFormat: how keys and values are stored; the answer depends on it. By default halves, or
  ///     float32 where attention reads floats anyway.
  ///   - progress: called with rising shares of 1 while weights are read, by one thread at a time.
  /// - Throws: `ModelError`, `ExpertError`, `ModelFileError` or `KernelError`, one line each.
  public init(
    _ archive: ModelArchive, kernels: Kernels, routing: RoutingRule = .huggingFace,
    computesShared: Bool = true, maxStepRows: Int = 512, kvFormat: KVFormat? = nil,
    progress: (Double) -> Void = { _ in }
  ) throws {
    precondition(maxStepRows > 0)
    configuration = try ModelConfiguration(archive, rule: routing)
    catalog = try configuration.makeCatalog(archive, includesShared: !computesShared)
    self.maxStepRows = maxStepRows
    self.kernels = kernels
    trunk = try Trunk(
      archive, model: configuration, computesShared: computesShared, team: kernels.team,
      progress: progress)
    cacheLayout = CacheLayout(configuration.attention, format: kvFormat ?? trunk.kvFormat)
    lanes = []
    makeLanes(1)
  }

  /// Makes a pool of pages for many sequences that takes at most `byteCount` bytes.
  ///
  /// - Throws: `ModelError.outOfMemory` when not a page fits, or the system grants no such space.
  public func makePool(byteCount: Int) throws(ModelError) -> KVPool {
    try makePool(pageCount: byteCount / bytesPerPage)
  }

  /// Makes a pool of `pageCount` pages of `KVPool.pageTokens` positions.
  public func makePool(pageCount: Int) throws(ModelError) -> KVPool {
    try KVPool(
      layout: cacheLayout, layerCount: configuration.layerCount, pageCount: pageCount)
  }

  /// Makes room for a sequence of up to `capacity` tokens; memory is taken as it grows.
  ///
  /// - `pool`: where its pages come from; by default a pool of its own that is large enough.
  public func makeCache(capacity: Int, pool: KVPool? = nil) throws(ModelError) -> KVCache {
    if let pool { return KVCache(pool, capacity: capacity) }
    let pages = KVPool.pages(for: max(capacity, 1))
    return KVCache(try makePool(pageCount: pages), capacity: capacity)
  }

  /// Runs the tokens of a step and adds them to their sequences' caches.
  ///
  /// - Parameters:
  ///   - step: one to `maxStepRows` rows.
  ///   - experts: the routed experts of this model; a dense model needs none and asks none.
  ///   - logits: receives a row per wanted row of the step, from row 0 on; vocabularySize columns.
  /// - Throws: `ModelError` before anything is computed, or what the backend throws; after an
  ///   error the caches hold what they held before.
  public func forward(
    _ step: StepBatch, experts: (any ExpertBackend)?, logits: inout FloatMatrix
  ) throws {
    precondition(
      1...maxStepRows ~= step.rowCount, "a step has 1 to \(maxStepRows) rows, not \(step.rowCount)")
    precondition(logits.rows >= step.wantedCount, "too few rows for the logits")
    precondition(
      step.wantedCount == 0 || logits.columns == configuration.vocabularySize,
      "logits of another width than the vocabulary")
    try check(step)
    try begin(step)
    do {
      try run(step, experts: experts, logits: &logits)
    } catch {
      for cache in step.caches { cache.abandon() }
      throw error
    }
    for index in step.caches.indices { step.caches[index].commit(step.rowCounts[index]) }
  }

  private func run(
    _ step: StepBatch, experts: (any ExpertBackend)?, logits: inout FloatMatrix
  ) throws {
    defer { profile?.leave() }
    let count = partCount(step)
    let start = monotonicNanoseconds()
    let waitedBefore = lanes[0].waited
    if count == 1 {
      try runWhole(step, experts: experts, logits: &logits)
    } else {
      try runParts(count, step, experts: experts, logits: &logits)
    }
    guard case .automatic = overlap else { return }
    tuner.record(
      rows: step.rowCount, isSplit: count > 1,
      seconds: Double(monotonicNanoseconds() &- start) * 1e-9,
      waited: Double(lanes[0].waited &- waitedBefore) * 1e-9)
  }

  private func runWhole(
    _ step: StepBatch, experts: (any ExpertBackend)?, logits: inout FloatMatrix
  ) throws {
    let lane = lanes[0]
    let observer = observer
    lane.start(step, embedding: trunk.embedding)
    for layer in trunk.layers {
      try lane.begin(layer, step, experts: experts, observer: observer)
      try lane.finish(layer, step, experts: experts)
    }
    observer?.willRun(
      layer: trunk.layers.count, hidden: lane.workspace.stream.hidden, rowCount: step.rowCount)
    lane.gather(step.wantedRows, then: [])
    lane.project(step.wantedCount, trunk.head, into: &logits)
  }

  private func check(_ step: StepBatch) throws(ModelError) {
    for row in step.rows {
      guard row.token >= 0, row.token < configuration.vocabularySize else {
        throw .badToken(
          token: Int(row.token), vocabularySize: configuration.vocabularySize)
      }
    }
    for cache in step.caches {
      precondition(
        cache.pool.layout == cacheLayout && cache.pool.layerCount == trunk.layers.count,
        "a cache of another model")
    }
  }

  /// Gets the pages that the step will write, of all sequences or of none.
  private func begin(_ step: StepBatch) throws(ModelError) {
    for index in step.caches.indices {
      do throws(ModelError) {
        try step.caches[index].begin(step.rowCounts[index])
      } catch {
        for cache in step.caches[..<index] { cache.abandon() }
        throw error
      }
    }
  }
}
