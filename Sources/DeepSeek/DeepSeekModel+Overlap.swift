import Experts
import Tensors

extension DeepSeekModel {
  /// In how many parts to run a step.
  func partCount(_ step: StepBatch) -> Int {
    guard observer == nil, catalog != nil else { return 1 }
    switch overlap {
    case .off: return 1
    case .automatic: return tuner.splits(rows: step.rowCount) ? 2 : 1
    case .fixed: return min(overlap.partLimit, step.rowCount)
    }
  }

  /// Runs a step in parts: each is in a layer's experts while the others compute.
  ///
  /// A part comes after those before it in every layer, so that its rows find the keys of earlier
  /// rows of their sequence.
  func runParts(
    _ count: Int, _ step: StepBatch, experts: (any ExpertBackend)?, logits: inout FloatMatrix
  ) throws {
    let size = Self.partSize(step.rowCount, parts: count)
    let lanes = lanes[..<((step.rowCount - 1) / size + 1)]
    defer { for lane in lanes { lane.drop() } }
    for (index, lane) in lanes.enumerated() {
      lane.take(index * size..<min((index + 1) * size, step.rowCount), of: step)
      lane.start(lane.part, embedding: trunk.embedding)
    }
    for (index, layer) in trunk.layers.enumerated() {
      for lane in lanes {
        if index > 0 { try lane.finish(trunk.layers[index - 1], lane.part, experts: experts) }
        try lane.begin(layer, lane.part, experts: experts)
      }
    }
    guard let last = trunk.layers.last, let first = lanes.first else { return }
    for lane in lanes { try lane.finish(last, lane.part, experts: experts) }
    first.gather(first.part.wantedRows, then: lanes.dropFirst())
    first.project(step.wantedCount, trunk.head, into: &logits)
  }

  /// Makes the lanes for steps in `count` parts, if they do not exist.
  func makeLanes(_ count: Int) {
    while lanes.count < count {
      let lane = Lane(
        Workspace(
          rows: Self.partSize(maxStepRows, parts: lanes.count + 1), model: configuration,
          layers: trunk.layers, head: trunk.head.inputFormats, cacheLayout: cacheLayout,
          geometry: catalog?.geometry, kernels: kernels))
      lane.profile = profile
      lanes.append(lane)
    }
  }

  /// Rows of each part but the last; whole tiles of the matrix kernels where there are many.
  private static func partSize(_ rows: Int, parts: Int) -> Int {
    let size = (rows - 1) / parts + 1
    return size < 32 || parts == 1 ? size : (size + 15) / 16 * 16
  }
}
