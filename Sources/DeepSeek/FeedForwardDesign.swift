/// How one layer transforms each position by itself.
public enum FeedForwardDesign: Sendable, Equatable {
  /// One SwiGLU network.
  case dense(intermediateSize: Int)
  /// Routed experts, plus shared experts that are always on.
  case mixture(MixtureOfExperts)
}

/// The mixture-of-experts part of a model.
public struct MixtureOfExperts: Sendable, Equatable {
  /// Routed experts of one layer.
  public let expertCount: Int
  /// Routed experts that a token uses.
  public let expertsPerToken: Int
  /// Shared experts, stored as one network of their joint width; 0 when there are none.
  public let sharedExpertCount: Int
  /// Intermediate width of one expert.
  public let expertIntermediateSize: Int
  /// Layers below this index are dense.
  public let firstLayer: Int
  /// How experts are chosen and weighted.
  public let routing: RoutingMethod

  /// Intermediate width of the shared experts together.
  public var sharedIntermediateSize: Int { sharedExpertCount * expertIntermediateSize }
}
