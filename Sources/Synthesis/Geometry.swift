/// The sizes of a model: everything about it but its weights.
///
/// - Source: the published configurations (config.json) of the models named in `all`.
public struct Geometry: Sendable {
  /// The name by which `--geometry` asks for it.
  public let name: String
  /// Layers, which `withLayers(_:)` can change.
  public private(set) var layerCount: Int
  /// Width of the residual stream.
  public let hiddenSize: Int
  /// Width of the dense feed-forward layers.
  public let intermediateSize: Int
  /// Positions that the model was made for.
  public let contextLength: Int
  /// Epsilon of every norm.
  public let normEpsilon: Float
  /// How positions turn queries and keys.
  public let rotary: RotaryGeometry
  /// How tokens look at each other.
  public let attention: AttentionGeometry
  /// The mixture-of-experts layers, if the model has such; `withExperts(_:)` can change them.
  public private(set) var experts: ExpertsGeometry?
  /// The kind of vocabulary.
  public let vocabulary: VocabularyStyle
  /// Tokens, place holders included.
  public let vocabularySize: Int

  init(
    _ name: String, layers: Int, hidden: Int, intermediate: Int, context: Int,
    epsilon: Float = 1e-6, rotary: RotaryGeometry, attention: AttentionGeometry,
    experts: ExpertsGeometry? = nil, vocabulary: VocabularyStyle, tokens: Int
  ) {
    self.name = name
    layerCount = layers
    hiddenSize = hidden
    intermediateSize = intermediate
    contextLength = context
    normEpsilon = epsilon
    self.rotary = rotary
    self.attention = attention
    self.experts = experts
    self.vocabulary = vocabulary
    vocabularySize = tokens
  }

  /// The same model with another number of layers, at least 1.
  public func withLayers(_ count: Int) -> Geometry {
    precondition(count > 0)
    var copy = self
    copy.layerCount = count
    return copy
  }

  /// The same model with another number of routed experts in every layer; nil for a dense model,
  /// and when there would be too few experts, or groups of unequal size.
  ///
  /// - Parameter count: Routed experts of a layer.
  /// - Returns: The changed model.
  public func withExperts(_ count: Int) -> Geometry? {
    guard var experts, count >= experts.used, count % (experts.groups?.count ?? 1) == 0 else {
      return nil
    }
    if let groups = experts.groups, count / groups.count * groups.used < experts.used { return nil }
    experts.count = count
    var copy = self
    copy.experts = experts
    return copy
  }

  /// Layers with a dense feed-forward part, first in the model; a short model keeps one layer
  /// of experts at least.
  public var denseLayerCount: Int {
    experts.map { min($0.leadingDenseLayers, layerCount - 1) } ?? layerCount
  }
}

/// Rotary position embedding.
public struct RotaryGeometry: Sendable {
  /// The base of the frequencies.
  public let theta: Float
  /// How the context was stretched.
  public let scaling: RotaryScaling
}

/// How a model's context was stretched beyond its training.
public enum RotaryScaling: Sendable {
  case none
  case linear(factor: Float)
  case yarn(factor: Float, original: Int, logMultiplier: Float, betaFast: Float, betaSlow: Float)
}

/// The two attention designs.
public enum AttentionGeometry: Sendable {
  /// Multi-head latent attention; no query compression when `queryRank` is nil.
  case latent(heads: Int, queryRank: Int?, keyValueRank: Int, nope: Int, rope: Int, value: Int)
  /// Query heads that share keys and values in groups.
  case grouped(heads: Int, keyValueHeads: Int, headSize: Int)
}

/// The routed and shared experts of a layer.
public struct ExpertsGeometry: Sendable {
  /// Routed experts.
  public fileprivate(set) var count: Int
  /// Routed experts that a token uses.
  public let used: Int
  /// Shared experts, fused into one of their summed width.
  public let shared: Int
  /// Width of one expert.
  public let intermediateSize: Int
  /// Groups of experts and how many a token uses; nil without group limits.
  public let groups: (count: Int, used: Int)?
  /// Whether scores are sigmoids with a selection bias, normalised after selection.
  public let usesSigmoid: Bool
  /// What routed experts' sum is multiplied with.
  public let scale: Float
  /// Layers before the first with experts.
  public let leadingDenseLayers: Int
}
