import Kernels
import Tensors

/// Scores the experts of one layer, in float32 throughout.
struct Router: Sendable {
  let weights: PackedMatrix  // (experts, hiddenSize), takes floats
  let scoring: RoutingMethod.Scoring
  let selector: ExpertSelector

  /// Reserves one layer's matrix.
  init(
    _ loader: inout WeightLoader, layer: Int, mixture: MixtureOfExperts, hiddenSize: Int
  ) throws {
    let names = loader.names
    let routing = mixture.routing
    weights = try loader.floatMatrix(
      names.router(layer), rows: mixture.expertCount, columns: hiddenSize)
    scoring = routing.scoring
    let bias =
      routing.usesSelectionBias
      ? try loader.vector(names.routerBias(layer), count: mixture.expertCount) : []
    selector = ExpertSelector(
      method: routing, expertCount: mixture.expertCount,
      expertsPerToken: mixture.expertsPerToken, bias: bias)
  }

  /// Softmax or sigmoid of the logits of some rows, from float rows of `Stream.normedRows`.
  func score(_ rows: Range<Int>, stream: inout Stream, into scores: inout FloatMatrix) {
    stream.normedRows.multiply(weights, rows: rows, into: &scores, plan: &stream.plan)
    stream.runPlan()
    switch scoring {
    case .softmax: stream.kernels.softmax(&scores, rows: rows)
    case .sigmoid: stream.kernels.sigmoid(&scores, rows: rows)
    }
  }
}
