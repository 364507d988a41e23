public import Experts

/// Keeps which experts the last few tokens of each layer used; allocates nothing after `init`.
public struct RoutingSampler: Sendable {
  /// Tokens that are kept.
  public static let capacity = 192
  /// Tokens without which nothing can be said.
  private static let leastCount = 48

  private let geometry: ExpertGeometry
  private var experts: [UInt16]  // (layers, capacity, expertsPerToken)
  private var counts: [Int]  // of each layer, all that were ever taken

  /// Nothing taken yet.
  public init(_ geometry: ExpertGeometry) {
    self.geometry = geometry
    let layers = geometry.moeLayers.count
    experts = Array(repeating: 0, count: layers * Self.capacity * geometry.expertsPerToken)
    counts = Array(repeating: 0, count: layers)
  }

  /// Takes one row of a batch.
  public mutating func take(_ batch: borrowing RoutedBatch) {
    guard batch.rowCount > 0 else { return }
    let layer = batch.layer.rawValue - geometry.moeLayers.lowerBound
    let width = geometry.expertsPerToken
    let entries = batch.entries
    let source = counts[layer] % batch.rowCount * geometry.entriesPerToken
    let target = (layer * Self.capacity + counts[layer] % Self.capacity) * width
    for index in 0..<width {
      experts[target + index] = UInt16(truncatingIfNeeded: entries[source + index].expert)
    }
    counts[layer] += 1
  }

  /// The tokens as a recording; nil while there are too few.
  ///
  /// Layers are recorded independently: a row's experts may come from several tokens.
  public var trace: RoutingTrace? {
    let width = geometry.expertsPerToken
    let rows = min(counts.min() ?? 0, Self.capacity)
    guard rows >= Self.leastCount,
      var trace = try? RoutingTrace(
        firstLayer: geometry.moeLayers.lowerBound, layerCount: counts.count,
        expertCount: geometry.expertCount, expertsPerToken: width)
    else { return nil }
    for row in 0..<rows {
      let chosen = counts.indices.flatMap { layer in
        let start = (layer * Self.capacity + row) * width
        return experts[start..<start + width]
      }
      // The router chose them: they exist, and each once.
      try? trace.append(chosen)
    }
    return trace
  }
}
