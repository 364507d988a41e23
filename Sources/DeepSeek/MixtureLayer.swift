import Experts
import Kernels
import Tensors

/// The mixture of experts of one layer: router, routed experts elsewhere, shared experts here or there.
struct MixtureLayer: Sendable {
  let layer: LayerIndex
  let router: Router
  /// The shared experts; nil where there are none, or workers compute them.
  let shared: FeedForward?

  /// Reserves one layer's matrices.
  init(
    _ loader: inout WeightLoader, layer: Int, mixture: MixtureOfExperts, hiddenSize: Int,
    computesShared: Bool
  ) throws {
    self.layer = LayerIndex(layer)
    router = try Router(&loader, layer: layer, mixture: mixture, hiddenSize: hiddenSize)
    let width = mixture.sharedIntermediateSize
    shared =
      width == 0 || !computesShared
      ? nil : try .shared(&loader, layer: layer, width: width, hiddenSize: hiddenSize)
  }

  /// Routes some rows of `Stream.normed` and sends them to their experts.
  func dispatch(
    _ rows: Range<Int>, stream: inout Stream, workspace w: MixtureWorkspace,
    experts: any ExpertBackend, observer: (any StepObserver)?
  ) throws -> DispatchTicket {
    stream.enter(.router)
    stream.encodeNormed(rows, formats: .floats)
    router.score(rows, stream: &stream, into: &w.scores)
    w.batch.encode(stream.normed, rows: rows, layer: layer, with: stream.kernels)
    for row in rows { route(row, w, observer) }
    stream.enter(.experts)
    return try experts.dispatch(w.batch, layer: layer)  // on its way
  }

  /// Computes `Stream.output` of the same rows: Σ groups in ascending order, then the shared experts,
  /// whoever computes them.
  func combine(
    _ ticket: DispatchTicket, _ rows: Range<Int>, stream: inout Stream,
    workspace w: MixtureWorkspace, experts: any ExpertBackend
  ) throws {
    if let shared {  // meanwhile, here
      stream.enter(.shared)
      stream.encodeNormed(rows, formats: shared.inputFormats.subtracting(.floats))
      shared.forward(rows, stream: &stream, workspace: &w.shared)
    }
    stream.enter(.experts)
    let start = monotonicNanoseconds()
    try experts.combine(ticket, into: &w.routed)
    w.waited &+= monotonicNanoseconds() &- start
    if shared != nil { stream.kernels.add(stream.output, to: &w.routed, rows: rows) }
    swap(&stream.output, &w.routed)
  }

  private func route(_ row: Int, _ w: MixtureWorkspace, _ observer: (any StepObserver)?) {
    var ids = w.ids.mutableSpan
    var weights = w.weights.mutableSpan
    router.selector.select(
      w.scores.row(row), scratch: &w.selection, ids: &ids, weights: &weights)
    w.batch.setExperts(row: row, experts: w.ids.span, weights: w.weights.span)
    observer?.didRoute(layer: layer.rawValue, row: row, experts: w.ids, weights: w.weights)
  }
}

/// What a mixture of experts computes on its way; one for all layers.
final class MixtureWorkspace {
  var scores: FloatMatrix  // (rows, experts)
  var selection: ExpertSelector.Scratch
  var ids: [Int32]  // (expertsPerToken)
  var weights: [Float]  // (expertsPerToken)
  var batch: RoutedBatch
  var shared: FeedForwardWorkspace
  var routed: FloatMatrix  // (rows, hiddenSize)
  /// Nanoseconds in `combine`, all layers and steps together.
  var waited: UInt64 = 0

  /// Makes room for `rows` rows through any of `layers`, which have the same shape.
  init(rows: Int, layers: [MixtureLayer], selector: ExpertSelector, geometry: ExpertGeometry) {
    scores = FloatMatrix(rows: rows, columns: geometry.expertCount)
    selection = selector.makeScratch()
    ids = Array(repeating: 0, count: geometry.expertsPerToken)
    weights = Array(repeating: 0, count: geometry.expertsPerToken)
    batch = RoutedBatch(geometry: geometry, capacity: rows)
    shared = FeedForwardWorkspace(rows: rows, networks: layers.compactMap(\.shared))
    routed = FloatMatrix(rows: rows, columns: geometry.hiddenSize)
  }
}
