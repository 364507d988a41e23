import Experts
import Kernels

/// Everything that a step computes on its way, made once for the largest step.
struct Workspace: ~Copyable {
  /// What the model's way of attending needs.
  enum Attention {
    case latent(LatentWorkspace)
    case groupedQuery(GroupedQueryWorkspace)
  }

  var stream: Stream
  var tables: StepTables
  let attention: Attention
  var dense: FeedForwardWorkspace
  let mixture: MixtureWorkspace?

  /// Makes room for `rows` rows through `layers` and through `head`.
  init(
    rows: Int, model: ModelConfiguration, layers: [Layer], head: ActivationFormats,
    cacheLayout: CacheLayout, geometry: ExpertGeometry?, kernels: Kernels
  ) {
    stream = Stream(
      kernels: kernels, rows: rows, hiddenSize: model.hiddenSize,
      formats: layers.reduce(into: head) { $0.formUnion($1.inputFormats) })
    tables = StepTables(
      rows: rows, rotary: model.rotary, size: model.attention.ropeHeadSize)
    attention = Attention(rows: rows, model: model, layers: layers, cacheLayout: cacheLayout)
    dense = FeedForwardWorkspace(rows: rows, networks: layers.compactMap(\.dense))
    let mixtures = layers.compactMap(\.mixture)
    if let selector = mixtures.first?.router.selector, let geometry {
      mixture = MixtureWorkspace(
        rows: rows, layers: mixtures, selector: selector, geometry: geometry)
    } else {
      mixture = nil
    }
  }
}

extension Workspace.Attention {
  fileprivate init(
    rows: Int, model: ModelConfiguration, layers: [Layer], cacheLayout: CacheLayout
  ) {
    let scale = Float(model.attentionScale)
    switch model.attention {
    case .latent(let shape):
      self = .latent(
        LatentWorkspace(
          rows: rows, layers: layers.compactMap(\.latent), shape: shape, layout: cacheLayout,
          scale: scale))
    case .groupedQuery(let shape):
      self = .groupedQuery(
        GroupedQueryWorkspace(
          rows: rows, layers: layers.compactMap(\.groupedQuery), shape: shape,
          layout: cacheLayout, scale: scale))
    }
  }
}

extension Layer {
  fileprivate var latent: LatentAttention? {
    guard case .latent(let attention) = attention else { return nil }
    return attention
  }

  fileprivate var groupedQuery: GroupedQueryAttention? {
    guard case .groupedQuery(let attention) = attention else { return nil }
    return attention
  }

  fileprivate var dense: FeedForward? {
    guard case .dense(let network) = feedForward else { return nil }
    return network
  }

  fileprivate var mixture: MixtureLayer? {
    guard case .mixture(let mixture) = feedForward else { return nil }
    return mixture
  }
}
