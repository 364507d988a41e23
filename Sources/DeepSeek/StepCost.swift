import Experts
import Kernels

/// What a part of a step of one row cannot do without.
public struct StepCost: Sendable, Equatable {
  /// Bytes of weights, keys and values that are read.
  public var byteCount = 0
  /// Multiplications with addition.
  public var productCount = 0

  static func + (a: StepCost, b: StepCost) -> StepCost {
    StepCost(byteCount: a.byteCount + b.byteCount, productCount: a.productCount + b.productCount)
  }

  /// A matrix times one row.
  init(_ matrix: PackedMatrix) {
    byteCount = matrix.byteCount
    productCount = matrix.rows * matrix.columns
  }

  /// Matrices times one row each.
  init(_ matrices: [PackedMatrix]) {
    self = matrices.reduce(StepCost()) { $0 + StepCost($1) }
  }

  /// Adds nothing up yet.
  public init(byteCount: Int = 0, productCount: Int = 0) {
    self.byteCount = byteCount
    self.productCount = productCount
  }
}

extension DeepSeekModel {
  /// What a part of a decode step of one sequence reads and multiplies.
  ///
  /// - Parameters:
  ///   - part: the part; what is left in `rest` is little and counts as nothing.
  ///   - length: positions that the step attends to.
  /// - Returns: bytes and multiplications of all layers together.
  public func cost(of part: StepPart, length: Int) -> StepCost {
    switch part {
    case .head: return StepCost(trunk.head.matrix)
    case .rest: return StepCost()
    case .experts: return expertCost
    case .attentionProjections, .attention, .router, .shared, .dense:
      return trunk.layers.reduce(StepCost()) {
        $0 + $1.cost(of: part, length: length, layout: cacheLayout)
      }
    }
  }

  /// The chosen experts of one row in all layers.
  private var expertCost: StepCost {
    guard let geometry = catalog?.geometry else { return StepCost() }
    return geometry.layers.reduce(StepCost()) { sum, layer in
      let bytes = geometry.byteCount(layer, geometry.groups[0])
      let experts = geometry.experts(in: geometry.groups[0]).count
      return sum
        + StepCost(
          byteCount: bytes / experts * geometry.expertsPerToken,
          productCount: 3 * geometry.hiddenSize * geometry.expertIntermediateSize
            * geometry.expertsPerToken)
    }
  }
}

extension Layer {
  fileprivate func cost(of part: StepPart, length: Int, layout: CacheLayout) -> StepCost {
    switch (part, feedForward, attention) {
    case (.router, .mixture(let mixture), _): StepCost(mixture.router.weights)
    case (.shared, .mixture(let mixture), _): StepCost(mixture.shared?.matrices ?? [])
    case (.dense, .dense(let network), _): StepCost(network.matrices)
    case (.attentionProjections, _, .latent(let attention)): StepCost(attention.matrices)
    case (.attentionProjections, _, .groupedQuery(let attention)): StepCost(attention.matrices)
    case (.attention, _, .latent(let attention)):
      Self.cost(heads: attention.shape.headCount, length: length, layout: layout)
    case (.attention, _, .groupedQuery(let attention)):
      Self.cost(heads: attention.shape.headCount, length: length, layout: layout)
    default: StepCost()
    }
  }

  /// Every head meets the key and the value of every position; heads that share a row read it once.
  private static func cost(heads: Int, length: Int, layout: CacheLayout) -> StepCost {
    StepCost(
      byteCount: length * layout.tile.byteCount / KVTile.positions,
      productCount: length * heads * (layout.keyWidth + layout.valueWidth))
  }
}

extension FeedForward {
  fileprivate var matrices: [PackedMatrix] { [gate, up, down] }
}

extension GroupedQueryAttention {
  fileprivate var matrices: [PackedMatrix] { [query, key, value, output] }
}

extension LatentAttention {
  fileprivate var matrices: [PackedMatrix] {
    let queries: [PackedMatrix] =
      switch query {
      case .direct(let matrix): [matrix]
      case .compressed(let down, _, let up): [down, up]
      }
    return queries + [latent, output] + keyUp + valueUp
  }
}
