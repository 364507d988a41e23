internal import CKernels
public import Tensors

/// Which elements of a head form a pair that turns.
public enum RotaryPairs: Sendable {
  /// (x[2j], x[2j + 1])
  case interleaved
  /// (x[j], x[j + width / 2])
  case halfSplit
}

extension Kernels {
  /// Turns the pairs of some pieces of rows by the angles of each row's position.
  ///
  /// - `x`: rows that hold `heads` pieces of `width` elements, `headStride` apart, from
  ///   `columnOffset` on.
  /// - `rows`: which rows of `x`.
  /// - `positions`: the table row for each of those rows.
  /// - `cosines`, `sines`: positions × width / 2.
  public func rotate(
    _ x: inout FloatMatrix, rows: Range<Int>, columnOffset: Int = 0, heads: Int = 1,
    headStride: Int = 0, width: Int, positions: Span<Int32>, cosines: borrowing FloatMatrix,
    sines: borrowing FloatMatrix, pairs: RotaryPairs
  ) {
    precondition(width % 2 == 0 && width / 2 <= cosines.columns && width / 2 <= sines.columns)
    precondition(cosines.rows == sines.rows && cosines.rowStride == sines.rowStride)
    precondition(positions.count == rows.count, "rotate: a position for every row")
    precondition(heads > 0 && headStride >= 0)
    check(rows, columnOffset..<columnOffset + (heads - 1) * headStride + width, in: x)
    for index in positions.indices {
      precondition(positions[index] >= 0 && positions[index] < cosines.rows, "rotate: position")
    }
    if rows.isEmpty { return }
    var job = unsafe ck_rows()
    unsafe job.a = UnsafePointer(cosines.baseAddress)
    unsafe job.b = UnsafePointer(sines.baseAddress)
    unsafe job.a_stride = cosines.rowStride
    unsafe job.b_stride = sines.rowStride
    unsafe job.out = unsafe x.baseAddress + rows.lowerBound * x.rowStride + columnOffset
    unsafe job.out_stride = x.rowStride
    unsafe job.heads = heads
    unsafe job.head_stride = headStride
    unsafe job.halves = pairs == .halfSplit
    unsafe positions.withUnsafeBufferPointer { positions in
      unsafe job.indices = positions.baseAddress
      unsafe run(&job, rows: rows.count, columns: width, pieces: heads) { context, chunk in
        unsafe ck_rotate_rows(context.assumingMemoryBound(to: ck_rows.self), chunk)
      }
    }
  }
}
