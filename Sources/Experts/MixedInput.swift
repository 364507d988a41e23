internal import Kernels
internal import Tensors

/// Activations encoded once more, for layers whose gate and up projections take two formats.
///
/// Such layers are sent floats; the projection that takes 8-bit blocks gets them from here.
struct MixedInput: ~Copyable {
  private let hiddenSize: Int
  private(set) var blocks = EncodedRows(format: .int8Blocks, capacity: 0, columns: 0)
  private var floats = FloatMatrix(rows: 0, columns: 0)  // (capacity, hiddenSize)

  init(hiddenSize: Int) { self.hiddenSize = hiddenSize }

  /// Encodes all rows of `activations`, which are floats.
  mutating func encode(_ activations: borrowing EncodedRows, with kernels: Kernels) {
    let count = activations.rowCount
    if count > floats.rows {
      floats = FloatMatrix(rows: count, columns: hiddenSize)
      blocks = EncodedRows(format: .int8Blocks, capacity: count, columns: hiddenSize)
    }
    for row in 0..<count {
      var target = floats.mutableRow(row)
      var bytes = unsafe target.mutableBytes
      bytes.copy(activations.wireBytes(row..<row + 1))
    }
    blocks.encode(floats, rows: 0..<count, with: kernels)
  }
}
