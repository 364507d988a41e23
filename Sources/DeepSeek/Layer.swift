import Experts
import Kernels
import Tensors

/// One transformer layer: attention, then a feed-forward part, each added to the stream.
struct Layer: Sendable {
  /// How the layer attends.
  enum Attention: Sendable {
    case latent(LatentAttention)
    case groupedQuery(GroupedQueryAttention)
  }

  /// How the layer transforms each position by itself.
  enum FeedForwardPart: Sendable {
    case dense(FeedForward)
    case mixture(MixtureLayer)
  }

  let index: Int
  let epsilon: Float
  let attentionNorm: [Float]  // (hiddenSize)
  let attention: Attention
  let feedForwardNorm: [Float]  // (hiddenSize)
  let feedForward: FeedForwardPart

  /// Reserves one layer's matrices.
  init(
    _ loader: inout WeightLoader, index: Int, model: ModelConfiguration, computesShared: Bool
  ) throws {
    self.index = index
    epsilon = model.normEpsilon
    let width = model.hiddenSize
    attentionNorm = try loader.vector(loader.names.attentionNorm(index), count: width)
    feedForwardNorm = try loader.vector(loader.names.feedForwardNorm(index), count: width)
    switch model.attention {
    case .latent(let shape):
      attention = .latent(
        try LatentAttention(
          &loader, layer: index, shape: shape, hiddenSize: width,
          epsilon: model.innerNormEpsilon))
    case .groupedQuery(let shape):
      attention = .groupedQuery(
        try GroupedQueryAttention(&loader, layer: index, shape: shape, hiddenSize: width))
    }
    switch model.feedForward(layer: index) {
    case .dense(let intermediateSize):
      feedForward = .dense(
        try .dense(&loader, layer: index, width: intermediateSize, hiddenSize: width))
    case .mixture(let mixture):
      feedForward = .mixture(
        try MixtureLayer(
          &loader, layer: index, mixture: mixture, hiddenSize: width,
          computesShared: computesShared))
    }
  }

  /// What attention reads `Stream.normed` as.
  var attentionFormats: ActivationFormats {
    switch attention {
    case .latent(let attention): attention.inputFormats
    case .groupedQuery(let attention): attention.inputFormats
    }
  }

  /// What `Stream.normed` is encoded to somewhere in this layer.
  var inputFormats: ActivationFormats {
    let first = attentionFormats
    return switch feedForward {
    case .dense(let network): first.union(network.inputFormats)
    case .mixture(let mixture): first.union(mixture.shared?.inputFormats ?? []).union(.floats)
    }
  }

  /// Runs the layer on all rows of a step, as far as it goes without the routed experts' answer.
  ///
  /// - Returns: What `finish` waits for; nil for a layer without experts.
  func begin(
    _ step: StepBatch, workspace w: inout Workspace, experts: (any ExpertBackend)?,
    observer: (any StepObserver)?
  ) throws -> DispatchTicket? {
    let rows = 0..<step.rowCount
    w.stream.norm(rows, weight: attentionNorm, epsilon: epsilon)
    w.stream.enter(.attentionProjections)
    attend(step, &w)
    w.stream.enter(.rest)
    w.stream.addOutput(rows)
    w.stream.norm(rows, weight: feedForwardNorm, epsilon: epsilon)
    switch feedForward {
    case .dense(let network):
      w.stream.enter(.dense)
      w.stream.encodeNormed(rows, formats: network.inputFormats)
      network.forward(rows, stream: &w.stream, workspace: &w.dense)
      return nil
    case .mixture(let mixture):
      let (experts, workspace) = Self.mixture(w, experts)
      return try mixture.dispatch(
        rows, stream: &w.stream, workspace: workspace, experts: experts, observer: observer)
    }
  }

  /// Runs the rest of the layer: shared experts, then what the routed ones answered.
  func finish(
    _ ticket: DispatchTicket?, _ step: StepBatch, workspace w: inout Workspace,
    experts: (any ExpertBackend)?
  ) throws {
    let rows = 0..<step.rowCount
    if case .mixture(let mixture) = feedForward, let ticket {
      let (experts, workspace) = Self.mixture(w, experts)
      try mixture.combine(
        ticket, rows, stream: &w.stream, workspace: workspace, experts: experts)
    }
    w.stream.enter(.rest)
    w.stream.addOutput(rows)
  }

  private static func mixture(
    _ w: borrowing Workspace, _ experts: (any ExpertBackend)?
  ) -> (any ExpertBackend, MixtureWorkspace) {
    guard let experts, let workspace = w.mixture else {
      preconditionFailure("a mixture of experts needs a backend")
    }
    return (experts, workspace)
  }

  private func attend(_ step: StepBatch, _ w: inout Workspace) {
    switch (attention, w.attention) {
    case (.latent(let attention), .latent(let workspace)):
      attention.forward(
        step, tables: w.tables, layer: index, stream: &w.stream, workspace: workspace)
    case (.groupedQuery(let attention), .groupedQuery(let workspace)):
      attention.forward(
        step, tables: w.tables, layer: index, stream: &w.stream, workspace: workspace)
    default: preconditionFailure("a model attends in one way")
    }
  }
}
