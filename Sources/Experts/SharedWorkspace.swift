internal import Kernels
internal import Tensors

/// Computes shared experts for rows of a batch as a coordinator does: the same products, and floats.
struct SharedWorkspace: ~Copyable {
  private let geometry: ExpertGeometry
  private let kernels: Kernels
  /// The rows of which the last call asked, in its order.
  private(set) var rows: [Int32] = []
  /// Their sums.
  private(set) var replies: EncodedReplies  // (capacity, hiddenSize)
  private var gate = FloatMatrix(rows: 0, columns: 0)  // (capacity, intermediateSize)
  private var up = FloatMatrix(rows: 0, columns: 0)  // (capacity, intermediateSize)
  private var innerFloats = EncodedRows(format: .float32, capacity: 0, columns: 0)
  private var innerBlocks = EncodedRows(format: .int8Blocks, capacity: 0, columns: 0)
  private var down = FloatMatrix(rows: 0, columns: 0)  // (capacity, hiddenSize)
  private var plan = MatmulPlan()

  init(geometry: ExpertGeometry, kernels: Kernels) {
    self.geometry = geometry
    self.kernels = kernels
    replies = EncodedReplies(format: .float32, capacity: 0, columns: geometry.hiddenSize)
  }

  /// Starts a call that asks for no row yet.
  mutating func removeAll() {
    rows.removeAll(keepingCapacity: true)
    replies.removeAll()
  }

  /// Asks for the sum of `row`.
  mutating func append(_ row: Int32) { rows.append(row) }

  /// Computes the sums of all rows that were asked for.
  ///
  /// - Parameters:
  ///   - activations: The rows, in the input format of `layer`.
  ///   - blocks: The same rows as blocks, where activations are floats and a matrix takes blocks.
  ///   - layer: The layer.
  ///   - bank: Holds the shared experts.
  mutating func compute(
    _ activations: borrowing EncodedRows, blocks: borrowing EncodedRows, layer: LayerIndex,
    bank: ExpertBank
  ) {
    guard !rows.isEmpty else { return }
    reserve(rows.count)
    let rows = rows
    let expert = bank.shared(layer)
    plan.removeAll()
    if expert.gate.activationFormat == activations.format {
      plan.append(expert.gate, activations, rows: rows.span, into: &gate, outputRow: 0)
    } else {
      plan.append(expert.gate, blocks, rows: rows.span, into: &gate, outputRow: 0)
    }
    if expert.up.activationFormat == activations.format {
      plan.append(expert.up, activations, rows: rows.span, into: &up, outputRow: 0)
    } else {
      plan.append(expert.up, blocks, rows: rows.span, into: &up, outputRow: 0)
    }
    kernels.run(&plan)
    plan.removeAll()
    let all = 0..<rows.count
    if expert.down.activationFormat == .float32 {
      innerFloats.encodeSiluProduct(&gate, up, rows: all, with: kernels)
      plan.append(expert.down, innerFloats, rows: all, into: &down)
    } else {
      innerBlocks.encodeSiluProduct(&gate, up, rows: all, with: kernels)
      plan.append(expert.down, innerBlocks, rows: all, into: &down)
    }
    kernels.run(&plan)
    replies.encode(down, rows: all, with: kernels)
  }

  /// Makes room for `count` rows, at least doubling.
  private mutating func reserve(_ count: Int) {
    guard count > down.rows, let shared = geometry.shared else { return }
    let capacity = max(count, 2 * down.rows)
    gate = FloatMatrix(rows: capacity, columns: shared.intermediateSize)
    up = FloatMatrix(rows: capacity, columns: shared.intermediateSize)
    down = FloatMatrix(rows: capacity, columns: geometry.hiddenSize)
    replies = EncodedReplies(format: .float32, capacity: capacity, columns: geometry.hiddenSize)
    let formats = Set(shared.layerFormats.map(\.down.activationFormat))
    if formats.contains(.float32) {
      innerFloats = EncodedRows(
        format: .float32, capacity: capacity, columns: shared.intermediateSize)
    }
    if formats.contains(.int8Blocks) {
      innerBlocks = EncodedRows(
        format: .int8Blocks, capacity: capacity, columns: shared.intermediateSize)
    }
  }
}
