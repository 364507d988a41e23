import Kernels
import Tensors

/// A SwiGLU network, down(silu(gate x) · up x): a dense layer's, or the shared experts together.
struct FeedForward: Sendable {
  let gate: PackedMatrix  // (intermediateSize, hiddenSize)
  let up: PackedMatrix  // (intermediateSize, hiddenSize)
  let down: PackedMatrix  // (hiddenSize, intermediateSize)

  /// What `Stream.normed` must be encoded to.
  var inputFormats: ActivationFormats { ActivationFormats(gate).union(ActivationFormats(up)) }

  /// Computes `Stream.output` of some rows from `Stream.normedRows`.
  func forward(
    _ rows: Range<Int>, stream: inout Stream, workspace w: inout FeedForwardWorkspace
  ) {
    stream.normedRows.multiply(gate, rows: rows, into: &w.gate, plan: &stream.plan)
    stream.normedRows.multiply(up, rows: rows, into: &w.up, plan: &stream.plan)
    stream.runPlan()
    w.rows.encodeSiluProduct(&w.gate, w.up, rows: rows, for: down, with: stream.kernels)
    w.rows.multiply(down, rows: rows, into: &stream.output, plan: &stream.plan)
    stream.runPlan()
  }
}

/// What a SwiGLU network computes on its way; one for all networks of a width.
struct FeedForwardWorkspace: ~Copyable {
  var gate: FloatMatrix  // (rows, intermediateSize)
  var up: FloatMatrix  // (rows, intermediateSize)
  var rows: ActivationRows

  /// Makes room for `rows` rows through any of `networks`.
  init(rows: Int, networks: [FeedForward]) {
    let width = networks.first?.gate.rows ?? 0
    gate = FloatMatrix(rows: networks.isEmpty ? 0 : rows, columns: width)
    up = FloatMatrix(rows: networks.isEmpty ? 0 : rows, columns: width)
    self.rows = ActivationRows(
      capacity: rows, columns: width, formats: ActivationFormats(networks.map(\.down)))
  }
}

extension FeedForward {
  /// Reserves the matrices of a dense layer.
  static func dense(
    _ loader: inout WeightLoader, layer: Int, width: Int, hiddenSize: Int
  ) throws -> FeedForward {
    let names = loader.names
    return FeedForward(
      gate: try loader.matrix(names.gate(layer), rows: width, columns: hiddenSize),
      up: try loader.matrix(names.up(layer), rows: width, columns: hiddenSize),
      down: try loader.matrix(names.down(layer), rows: hiddenSize, columns: width))
  }

  /// Reserves the matrices of a layer's shared experts.
  static func shared(
    _ loader: inout WeightLoader, layer: Int, width: Int, hiddenSize: Int
  ) throws -> FeedForward {
    let names = loader.names
    return FeedForward(
      gate: try loader.matrix(names.sharedGate(layer), rows: width, columns: hiddenSize),
      up: try loader.matrix(names.sharedUp(layer), rows: width, columns: hiddenSize),
      down: try loader.matrix(names.sharedDown(layer), rows: hiddenSize, columns: width))
  }
}
