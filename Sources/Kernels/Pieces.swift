internal import Glibc
public import Tensors

extension Kernels {
  /// Copies equally spaced pieces of one row, such as a part of every head.
  ///
  /// Row `row` of `x` holds `count` pieces of `width` floats, `stride` apart, from `column` on; row
  /// `outputRow` of `out` receives them `outputStride` apart, from `outputColumn` on.
  public func copyPieces(
    _ x: borrowing FloatMatrix, row: Int, column: Int = 0, stride: Int, count: Int, width: Int,
    into out: inout FloatMatrix, outputRow: Int, outputColumn: Int = 0, outputStride: Int
  ) {
    precondition(count > 0 && stride >= width && outputStride >= width)
    check(row..<row + 1, column..<column + (count - 1) * stride + width, in: x)
    check(
      outputRow..<outputRow + 1,
      outputColumn..<outputColumn + (count - 1) * outputStride + width, in: out)
    let source = unsafe x.baseAddress + row * x.rowStride + column
    let target = unsafe out.baseAddress + outputRow * out.rowStride + outputColumn
    for piece in 0..<count {
      unsafe memcpy(
        target + piece * outputStride, source + piece * stride,
        width * MemoryLayout<Float>.stride)
    }
  }
}
