/// The hyperparameters of a model of the DeepSeek family, read from its file and checked.
public struct ModelConfiguration: Sendable, Equatable {
  /// The file's own name of the architecture, for example `deepseek2` or `deepseek_v3`.
  public let architecture: String
  /// Tokens of the embedding and of the logits.
  public let vocabularySize: Int
  /// Positions that the model was made for.
  public let contextLength: Int
  /// Width of the residual stream.
  public let hiddenSize: Int
  /// Layers, without multi-token-prediction layers.
  public let layerCount: Int
  /// How layers attend.
  public let attention: AttentionDesign
  /// How angles follow from positions.
  public let rotary: RotaryConfiguration
  /// Intermediate width of dense layers.
  public let intermediateSize: Int
  /// The mixture of experts; nil for a dense model.
  public let mixture: MixtureOfExperts?
  /// Added to the mean square in the norms of the residual stream.
  public let normEpsilon: Float
  /// Added to the mean square in the norms inside latent attention.
  public let innerNormEpsilon: Float
  /// Whether the output head is the embedding.
  public let tiesEmbeddings: Bool

  /// The feed-forward part of one layer.
  public func feedForward(layer: Int) -> FeedForwardDesign {
    if let mixture, layer >= mixture.firstLayer { return .mixture(mixture) }
    return .dense(intermediateSize: intermediateSize)
  }

  /// Factor on query-key products before the softmax.
  public var attentionScale: Double {
    switch attention {
    case .latent(let shape):
      rotary.scoreFactor / Double(shape.queryHeadSize).squareRoot()
    case .groupedQuery(let shape):
      1 / Double(shape.headSize).squareRoot()
    }
  }

  /// Parameters of one routed expert; 0 for a dense model.
  public var parametersPerExpert: Int {
    3 * hiddenSize * (mixture?.expertIntermediateSize ?? 0)
  }

  /// Parameters of all routed experts.
  public var routedParameters: Int {
    guard let mixture else { return 0 }
    return (layerCount - mixture.firstLayer) * mixture.expertCount * parametersPerExpert
  }
}
