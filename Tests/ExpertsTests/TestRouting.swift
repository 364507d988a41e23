import Experts
import Kernels
import Tensors

/// Random experts and weights for some rows.
struct TestRouting {
  let shape: ExpertShape
  let experts: [[Int32]]  // by row, in no order
  let weights: [[Float]]

  init(_ shape: ExpertShape, rows: Int, seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    self.shape = shape
    var experts: [[Int32]] = []
    var weights: [[Float]] = []
    for _ in 0..<rows {
      let all = (0..<Int32(shape.expertCount)).shuffled(using: &generator)
      experts.append(Array(all.prefix(shape.expertsPerToken)))
      weights.append(
        (0..<shape.expertsPerToken).map { _ in Float.random(in: 0.01...2, using: &generator) })
    }
    self.experts = experts
    self.weights = weights
  }

  /// A batch of `rows` of `x`.
  func batch(
    _ x: borrowing FloatMatrix, _ rows: Range<Int>, _ geometry: ExpertGeometry,
    _ layer: LayerIndex, _ kernels: Kernels
  ) -> RoutedBatch {
    var batch = RoutedBatch(geometry: geometry, capacity: rows.count)
    fill(&batch, x, rows, layer, kernels)
    return batch
  }

  func fill(
    _ batch: inout RoutedBatch, _ x: borrowing FloatMatrix, _ rows: Range<Int>, _ layer: LayerIndex,
    _ kernels: Kernels
  ) {
    batch.encode(x, rows: rows, layer: layer, with: kernels)
    for (index, row) in rows.enumerated() {
      let (experts, weights) = (experts[row], weights[row])
      batch.setExperts(row: index, experts: experts.span, weights: weights.span)
    }
  }
}
