internal import CKernels
public import Tensors

/// Equally spaced pieces of a row, such as a part of every head.
public struct RowPieces: Sendable, Equatable {
  /// Where the first one starts.
  public var column: Int
  /// How many there are, at least 1.
  public var count: Int
  /// Floats of each.
  public var width: Int
  /// From the start of one to the start of the next.
  public var stride: Int

  /// Pieces that do not overlap.
  public init(column: Int = 0, count: Int, width: Int, stride: Int) {
    precondition(column >= 0 && count > 0 && width >= 0 && (count == 1 || stride >= width))
    self.column = column
    self.count = count
    self.width = width
    self.stride = stride
  }

  /// From the first piece to the end of the last.
  var columns: Range<Int> { column..<column + (count - 1) * stride + width }
}

extension Kernels {
  /// Copies pieces of rows to the same rows of another matrix, from `outputColumn` on and
  /// `outputStride` apart.
  ///
  /// - `outputRow`: the row of `out` that the first of `rows` goes to; the same row by default.
  public func copyPieces(
    _ x: borrowing FloatMatrix, rows: Range<Int>, _ pieces: RowPieces, into out: inout FloatMatrix,
    outputRow: Int? = nil, outputColumn: Int = 0, outputStride: Int = 0
  ) {
    let first = outputRow ?? rows.lowerBound
    precondition(pieces.count == 1 || outputStride >= pieces.width, "copyPieces: they overlap")
    check(rows, pieces.columns, in: x)
    let width = (pieces.count - 1) * outputStride + pieces.width
    check(first..<first + rows.count, outputColumn..<outputColumn + width, in: out)
    if rows.isEmpty || pieces.width == 0 { return }
    var job = unsafe ck_rows()
    unsafe job.a = UnsafePointer(x.baseAddress + rows.lowerBound * x.rowStride + pieces.column)
    unsafe job.a_stride = x.rowStride
    unsafe job.heads = pieces.count
    unsafe job.head_stride = pieces.stride
    unsafe job.out = unsafe out.baseAddress + first * out.rowStride + outputColumn
    unsafe job.out_stride = out.rowStride
    unsafe job.out_head_stride = outputStride
    unsafe run(&job, rows: rows.count, columns: pieces.count * pieces.width) { context, chunk in
      unsafe ck_copy_rows(context.assumingMemoryBound(to: ck_rows.self), chunk)
    }
  }
}
