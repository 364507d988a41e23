import Kernels
import Tensors

/// Activation rows encoded once for several matrices, in each format that those matrices take.
struct ActivationRows: ~Copyable {
  private var floats: EncodedRows  // (capacity, columns), empty when no matrix takes floats
  private var blocks: EncodedRows  // (capacity, columns), empty when no matrix takes blocks

  /// Makes room for `capacity` rows in each of `formats`.
  init(capacity: Int, columns: Int, formats: ActivationFormats) {
    func rows(_ format: ActivationFormat, if isUsed: Bool) -> EncodedRows {
      EncodedRows(format: format, capacity: isUsed ? capacity : 0, columns: isUsed ? columns : 0)
    }
    floats = rows(.float32, if: formats.contains(.floats))
    blocks = rows(.int8Blocks, if: formats.contains(.blocks))
  }

  /// Encodes rows of `x` into rows from 0 on, in each of `formats`, for which there must be room.
  mutating func encode(
    _ x: borrowing FloatMatrix, rows: Range<Int>, formats: ActivationFormats, with kernels: Kernels
  ) {
    if formats.contains(.floats) { floats.encode(x, rows: rows, with: kernels) }
    if formats.contains(.blocks) { blocks.encode(x, rows: rows, with: kernels) }
  }

  /// The same of pieces of each row, which become adjacent.
  mutating func encode(
    _ x: borrowing FloatMatrix, rows: Range<Int>, pieces: RowPieces, formats: ActivationFormats,
    with kernels: Kernels
  ) {
    if formats.contains(.floats) { floats.encode(x, rows: rows, pieces: pieces, with: kernels) }
    if formats.contains(.blocks) { blocks.encode(x, rows: rows, pieces: pieces, with: kernels) }
  }

  /// Sets rows of `gate` to silu(gate) · up and encodes them for `weights`.
  mutating func encodeSiluProduct(
    _ gate: inout FloatMatrix, _ up: borrowing FloatMatrix, rows: Range<Int>,
    for weights: PackedMatrix, with kernels: Kernels
  ) {
    switch weights.activationFormat {
    case .float32: floats.encodeSiluProduct(&gate, up, rows: rows, with: kernels)
    case .int8Blocks: blocks.encodeSiluProduct(&gate, up, rows: rows, with: kernels)
    }
  }

  /// Adds `weights` × `rows` to a plan.
  func multiply(
    _ weights: PackedMatrix, rows: Range<Int>, column: Int = 0, into out: inout FloatMatrix,
    outputRow: Int = 0, outputColumn: Int = 0, plan: inout MatmulPlan
  ) {
    switch weights.activationFormat {
    case .float32:
      plan.append(
        weights, floats, columnOffset: column, rows: rows, into: &out, outputRow: outputRow,
        outputColumn: outputColumn)
    case .int8Blocks:
      plan.append(
        weights, blocks, columnOffset: column, rows: rows, into: &out, outputRow: outputRow,
        outputColumn: outputColumn)
    }
  }
}

/// The activation formats that some matrices take.
struct ActivationFormats: OptionSet, Sendable {
  let rawValue: UInt8

  static let floats = ActivationFormats(rawValue: 1)
  static let blocks = ActivationFormats(rawValue: 2)

  init(rawValue: UInt8) { self.rawValue = rawValue }

  /// What one matrix takes.
  init(_ matrix: PackedMatrix) { self = matrix.activationFormat == .float32 ? .floats : .blocks }

  /// What some matrices take together.
  init(_ matrices: [PackedMatrix]) {
    self = []
    for matrix in matrices { formUnion(ActivationFormats(matrix)) }
  }
}
