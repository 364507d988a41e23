/// How often each expert of each layer is used, relative to the others of its layer.
public struct ExpertPopularity: Sendable, Hashable {
  /// Layers with experts.
  public let layerCount: Int
  /// Experts of each layer.
  public let expertCount: Int
  private let values: [Double]  // (layers, experts); each layer adds up to 1

  /// Turns counts into shares; every expert is counted once more, so that none is impossible.
  ///
  /// - Parameter uses: Layers × experts, from the first layer with experts; rows of equal length.
  public init(uses: [[Int]]) {
    layerCount = uses.count
    expertCount = uses.first?.count ?? 0
    values = uses.flatMap { counts -> [Double] in
      let numbers = counts.map { Double(max($0, 0)) + 1 }
      let sum = numbers.reduce(0, +)
      return numbers.map { $0 / sum }
    }
    precondition(values.count == layerCount * expertCount, "layers with unequal experts")
  }

  /// The shares of the experts of a layer, the first one with experts being 0; they add up to 1.
  public func shares(layer: Int) -> ArraySlice<Double> {
    values[layer * expertCount..<(layer + 1) * expertCount]
  }

  /// The share of one expert.
  public subscript(_ layer: Int, _ expert: Int) -> Double { values[layer * expertCount + expert] }
}
