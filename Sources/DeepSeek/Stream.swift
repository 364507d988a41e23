import Kernels
import Tensors

/// The residual stream of a step, and the rows that every part of a layer reads and writes.
struct Stream: ~Copyable {
  let kernels: Kernels
  var hidden: FloatMatrix  // (rows, hiddenSize): the residual stream
  var normed: FloatMatrix  // (rows, hiddenSize): what a part of a layer reads
  var normedRows: ActivationRows  // the same, encoded
  var output: FloatMatrix  // (rows, hiddenSize): what a part of a layer adds to the stream
  var plan = MatmulPlan()
  /// Told what part of a step begins, when somebody measures.
  var profile: StepProfile?

  init(kernels: Kernels, rows: Int, hiddenSize: Int, formats: ActivationFormats) {
    self.kernels = kernels
    hidden = FloatMatrix(rows: rows, columns: hiddenSize)
    normed = FloatMatrix(rows: rows, columns: hiddenSize)
    normedRows = ActivationRows(capacity: rows, columns: hiddenSize, formats: formats)
    output = FloatMatrix(rows: rows, columns: hiddenSize)
  }

  /// Tells that a part of the step begins.
  func enter(_ part: StepPart) { profile?.enter(part) }

  /// Sets `normed` to the norm of `hidden`.
  mutating func norm(_ rows: Range<Int>, weight: [Float], epsilon: Float) {
    kernels.rmsNorm(hidden, rows: rows, weight: weight.span, epsilon: epsilon, into: &normed)
  }

  /// Encodes what `norm` left.
  mutating func encodeNormed(_ rows: Range<Int>, formats: ActivationFormats) {
    normedRows.encode(normed, rows: rows, formats: formats, with: kernels)
  }

  /// Adds `output` to `hidden`.
  mutating func addOutput(_ rows: Range<Int>) {
    kernels.add(output, to: &hidden, rows: rows)
  }

  /// Moves some rows of the stream to its beginning; the stream is of no more use then.
  mutating func gather(_ rows: [Int32]) {
    let whole = RowPieces(count: 1, width: hidden.columns, stride: 0)
    for (index, row) in rows.enumerated() {
      kernels.copyPieces(
        hidden, rows: Int(row)..<Int(row) + 1, whole, into: &output, outputRow: index)
    }
    swap(&hidden, &output)
  }

  /// Sets rows from `row` on to some rows of another stream.
  mutating func append(_ rows: [Int32], of other: borrowing Stream, at row: Int) {
    let whole = RowPieces(count: 1, width: hidden.columns, stride: 0)
    for (index, source) in rows.enumerated() {
      kernels.copyPieces(
        other.hidden, rows: Int(source)..<Int(source) + 1, whole, into: &hidden,
        outputRow: row + index)
    }
  }

  /// Runs the plan and empties it.
  mutating func runPlan() {
    kernels.run(&plan)
    plan.removeAll()
  }
}
