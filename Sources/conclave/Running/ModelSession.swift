import Coordinator
import DeepSeek
import Experts
import Foundation
import Inference
import Kernels
import ModelFiles
import Telemetry
import Tensors
import Tokenization

/// A loaded model with its experts in place, here or on workers.
final class ModelSession {
  typealias Generator = TextGenerator<DeepSeekLanguageModel>

  let archive: ModelArchive
  let configuration: ModelConfiguration
  let kernels: Kernels
  /// How keys and values are stored.
  let kvFormat: KVFormat
  /// The workers; nil when everything is in this process.
  let cluster: ClusterSession?
  /// The model without its routed experts, for runs that make steps of their own.
  let trunk: DeepSeekModel
  /// The routed experts, here or on workers; nil for a dense model.
  let experts: (any ExpertBackend)?
  /// Which experts are used; nil unless asked for, and for a dense model.
  let expertUse: ExpertUse?
  /// Beats while the engine gets on.
  let heartbeat: Heartbeat
  private let model: DeepSeekLanguageModel
  private let recorder: RoutingRecorder?
  private let ownTokenizer: Tokenizer?
  private let arguments: ModelArguments

  /// Loads a model, and workers with their experts if there are to be any; `onPhase` is told what takes
  /// time now, as in "the model is being loaded".
  init(
    _ path: String, _ modelArguments: ModelArguments, _ clusterArguments: ClusterArguments,
    _ computeArguments: ComputeArguments, observesExperts: Bool = false,
    onPhase: (String) -> Void = { _ in }
  ) throws {
    let archive = try ModelArchive.open(path)
    let configuration = try ModelConfiguration(archive, rule: modelArguments.routing.rule)
    // Before long work: what is wrong with the file shall show at once.
    let recorder = try modelArguments.recordRouting.map {
      try RoutingRecorder(configuration, path: $0)
    }
    ownTokenizer = try Self.tokenizer(of: archive)
    let kernels = try computeArguments.makeKernels()
    let place = SharedExpertsDecision(archive, configuration, clusterArguments)
    var catalog = try place.catalog()
    let heartbeat = Heartbeat()
    let cluster = try ClusterSession(
      clusterArguments, computeArguments,
      serving: ServedModel(digest: archive.digest, catalog: catalog), file: archive.path,
      kernels: kernels, maxRows: modelArguments.stepTokens, heartbeat: heartbeat)
    if let cluster, let moved = try place.decide(cluster, kernels) {
      catalog = moved
      cluster.coordinator.serve(moved)
    }
    onPhase("the model is being loaded")
    let trunk = try Self.loading("loading the model") { progress in
      try DeepSeekModel(
        archive, kernels: kernels, routing: modelArguments.routing.rule,
        computesShared: catalog?.geometry.shared == nil, maxStepRows: modelArguments.stepTokens,
        kvFormat: modelArguments.kvFormat?.format,
        progress: progress)
    }
    var experts: (any ExpertBackend)?
    if let cluster {
      onPhase("workers are awaited, or load their experts")
      try cluster.gather()
      experts = cluster.coordinator.experts
      trunk.overlap = clusterArguments.overlap
      if catalog == nil { Terminal.note("this model has no routed experts: its workers stay idle") }
    } else if let catalog {
      onPhase("experts are being loaded")
      experts = try Self.loading("loading experts") { progress in
        try LocalExperts(loading: catalog, kernels: kernels, progress: progress)
      }
    }
    let observed = observesExperts ? experts.map { ObservedExperts($0) } : nil
    expertUse = observed?.use
    self.trunk = trunk
    self.experts = experts
    model = DeepSeekLanguageModel(trunk, experts: observed ?? experts, team: kernels.team)
    self.recorder = recorder
    trunk.observer = recorder
    arguments = modelArguments
    kvFormat = trunk.kvFormat
    self.archive = archive
    self.configuration = configuration
    self.kernels = kernels
    self.cluster = cluster
    self.heartbeat = heartbeat
  }

  private static func loading<Value>(
    _ title: String, _ load: ((Double) -> Void) throws -> Value
  ) throws -> Value {
    let bar = ProgressBar(title)
    defer { bar.finish() }
    return try load { bar.update($0) }
  }

  /// Runs `body` with a session and closes it whatever happens.
  static func withSession<Value>(
    _ path: String, _ modelArguments: ModelArguments, _ clusterArguments: ClusterArguments,
    _ computeArguments: ComputeArguments, _ body: (ModelSession) throws -> Value
  ) throws -> Value {
    let session = try ModelSession(path, modelArguments, clusterArguments, computeArguments)
    let value: Value
    do {
      value = try body(session)
    } catch {
      session.closeAfterFailure()
      throw error
    }
    try session.close()
    return value
  }

  /// Lets the workers go, and writes what was recorded.
  ///
  /// - Throws: When that cannot be written.
  func close() throws {
    cluster?.close()
    try recorder?.save()
  }

  /// The same where another error is reported already, and one more is only mentioned.
  func closeAfterFailure() {
    do { try close() } catch { Terminal.note("\(error)") }
  }

  /// Equal for equal answers: the model and how it is computed.
  var fingerprint: String {
    "\(archive.digest)".prefix(16) + "-\(kernels.numericsProfile)-\(kvFormat.rawValue)"
  }
}

// MARK: - Text

extension ModelSession {
  /// The tokenizer of a GGUF file is part of it and is checked with it; that of a folder is a file
  /// beside the weights, which runs over token ids can do without.
  private static func tokenizer(of archive: ModelArchive) throws -> Tokenizer? {
    guard case .huggingFace = archive.container else { return try Tokenizer(archive) }
    return try? Tokenizer(archive)
  }

  /// The model's tokenizer; throws when there is none.
  func tokenizer() throws -> Tokenizer { try ownTokenizer ?? Tokenizer(archive) }

  /// A generator with room for `--context` tokens.
  func makeGenerator(
    reusesPrefix: Bool = false, capacity: Int? = nil, speculation: Speculation = .off
  ) throws -> Generator {
    let context =
      capacity ?? arguments.context
      ?? min(configuration.contextLength, ModelArguments.defaultContextLimit)
    return try Generator(
      model, tokenizer: tokenizer(), contextLength: context, reusesPrefix: reusesPrefix,
      speculation: speculation)
  }

  /// An engine for `--context` tokens a request, which has the model for itself from now on.
  func makeEngine(_ options: EngineOptions) throws -> Engine {
    var options = options
    options.contextLength =
      arguments.context ?? min(configuration.contextLength, ModelArguments.defaultContextLimit)
    options.heartbeat = heartbeat
    let tokenizer = try tokenizer()
    // The session does not run the model itself once an engine has it.
    nonisolated(unsafe) let model = model
    return try unsafe Engine(model, tokenizer: tokenizer, options: options)
  }

  /// The logits of every position; tokens are taken as they are.
  func logits(of tokens: [TokenID], onRow: (Span<Float>) throws -> Void) throws {
    let cache = try model.makeCache(capacity: tokens.count)
    let limit = min(model.maxStepRows, 64)  // bounds the memory of large vocabularies
    var rows = FloatMatrix(rows: min(limit, tokens.count), columns: model.vocabularySize)
    for start in stride(from: 0, to: tokens.count, by: rows.rows) {
      let range = start..<min(start + rows.rows, tokens.count)
      try model.forward(
        tokens.span.extracting(range), cache: cache, wanted: .all, logits: &rows)
      for row in 0..<range.count { try onRow(rows.row(row)) }
    }
  }
}
