/// How a model's layers attend.
public enum AttentionDesign: Sendable, Equatable {
  /// Multi-head latent attention (DeepSeek-V2, arXiv:2405.04434, §2.1).
  case latent(LatentAttentionShape)
  /// Grouped-query attention of the dense models.
  case groupedQuery(GroupedQueryShape)

  /// Query heads of one layer.
  public var headCount: Int {
    switch self {
    case .latent(let shape): shape.headCount
    case .groupedQuery(let shape): shape.headCount
    }
  }

  /// Elements of a query or key head that are rotated by position.
  public var ropeHeadSize: Int {
    switch self {
    case .latent(let shape): shape.ropeHeadSize
    case .groupedQuery(let shape): shape.headSize
    }
  }

  /// Numbers that one position needs in one layer's cache, without padding.
  public var cachedElementsPerPosition: Int {
    switch self {
    case .latent(let shape): shape.kvLoraRank + shape.ropeHeadSize
    case .groupedQuery(let shape): 2 * shape.kvHeadCount * shape.headSize
    }
  }
}

/// The widths of multi-head latent attention.
public struct LatentAttentionShape: Sendable, Equatable {
  /// Query heads.
  public let headCount: Int
  /// Width of the compressed query; nil when queries are projected directly.
  public let queryLoraRank: Int?
  /// Width of the latent key/value vector that is cached.
  public let kvLoraRank: Int
  /// Elements of a query head that carry no position.
  public let nopeHeadSize: Int
  /// Elements of a query head, and of the shared key, that carry the position.
  public let ropeHeadSize: Int
  /// Elements of a value head.
  public let valueHeadSize: Int

  /// Collects the widths.
  public init(
    headCount: Int, queryLoraRank: Int?, kvLoraRank: Int, nopeHeadSize: Int, ropeHeadSize: Int,
    valueHeadSize: Int
  ) {
    self.headCount = headCount
    self.queryLoraRank = queryLoraRank
    self.kvLoraRank = kvLoraRank
    self.nopeHeadSize = nopeHeadSize
    self.ropeHeadSize = ropeHeadSize
    self.valueHeadSize = valueHeadSize
  }

  /// Elements of a query head.
  public var queryHeadSize: Int { nopeHeadSize + ropeHeadSize }
}

/// The widths of grouped-query attention.
public struct GroupedQueryShape: Sendable, Equatable {
  /// Query heads.
  public let headCount: Int
  /// Key and value heads; query head h reads head h / (headCount / kvHeadCount).
  public let kvHeadCount: Int
  /// Elements of a query, key or value head.
  public let headSize: Int
  /// Which elements of a head are rotated together.
  public let pairing: RotaryPairing

  /// Collects the widths.
  public init(headCount: Int, kvHeadCount: Int, headSize: Int, pairing: RotaryPairing) {
    self.headCount = headCount
    self.kvHeadCount = kvHeadCount
    self.headSize = headSize
    self.pairing = pairing
  }
}
