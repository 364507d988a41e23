internal import CKernels
public import Tensors

extension Kernels {
  /// Root-mean-square norm of `columns` of some rows: x / sqrt(mean(x²) + epsilon) · weight.
  ///
  /// - `columns`: which columns of `x`; all by default.
  /// - `weight`: a factor for each of those columns.
  /// - `out`: receives them at the same rows, from `outputColumn` on.
  public func rmsNorm(
    _ x: borrowing FloatMatrix, rows: Range<Int>, columns: Range<Int>? = nil, weight: Span<Float>,
    epsilon: Float, into out: inout FloatMatrix, outputColumn: Int = 0
  ) {
    let columns = columns ?? 0..<x.columns
    check(rows, columns, in: x)
    check(rows, outputColumn..<outputColumn + columns.count, in: out)
    unsafe rmsNorm(
      x.baseAddress + columns.lowerBound, x.rowStride, rows, columns.count, weight, epsilon,
      out.baseAddress + outputColumn, out.rowStride)
  }

  /// The same in place.
  public func rmsNormInPlace(
    _ x: inout FloatMatrix, rows: Range<Int>, columns: Range<Int>? = nil, weight: Span<Float>,
    epsilon: Float
  ) {
    let columns = columns ?? 0..<x.columns
    check(rows, columns, in: x)
    let start = unsafe x.baseAddress + columns.lowerBound
    unsafe rmsNorm(
      start, x.rowStride, rows, columns.count, weight, epsilon, start, x.rowStride)
  }

  private func rmsNorm(
    _ x: UnsafeMutablePointer<Float>, _ xStride: Int, _ rows: Range<Int>, _ columns: Int,
    _ weight: Span<Float>, _ epsilon: Float, _ out: UnsafeMutablePointer<Float>, _ outStride: Int
  ) {
    precondition(weight.count == columns, "rmsNorm: \(weight.count) weights, \(columns) columns")
    if rows.isEmpty || columns == 0 { return }
    var job = unsafe ck_rows()
    unsafe job.a = UnsafePointer(x + rows.lowerBound * xStride)
    unsafe job.a_stride = xStride
    unsafe job.out = unsafe out + rows.lowerBound * outStride
    unsafe job.out_stride = outStride
    unsafe job.scalar = epsilon
    unsafe weight.withUnsafeBufferPointer { weight in
      unsafe job.b = weight.baseAddress
      unsafe run(&job, rows: rows.count, columns: columns) { context, chunk in
        unsafe ck_rms_norm_rows(context.assumingMemoryBound(to: ck_rows.self), chunk)
      }
    }
  }

  /// gate := silu(gate) · up for some rows, silu(z) = z / (1 + e^−z).
  public func siluMultiply(
    _ gate: inout FloatMatrix, up: borrowing FloatMatrix, rows: Range<Int>
  ) {
    check(rows, 0..<gate.columns, in: gate)
    check(rows, 0..<gate.columns, in: up)
    if rows.isEmpty { return }
    var job = unsafe ck_rows(gate: gate, up: up, rows)
    unsafe run(&job, rows: rows.count, columns: gate.columns) { context, chunk in
      unsafe ck_silu_multiply_rows(context.assumingMemoryBound(to: ck_rows.self), chunk)
    }
  }

  /// Softmax of some rows, in place.
  public func softmax(_ x: inout FloatMatrix, rows: Range<Int>) {
    unsafe inPlace(&x, rows) { context, chunk in
      unsafe ck_softmax_rows(context.assumingMemoryBound(to: ck_rows.self), chunk)
    }
  }

  /// 1 / (1 + e^−x) of some rows, in place.
  public func sigmoid(_ x: inout FloatMatrix, rows: Range<Int>) {
    unsafe inPlace(&x, rows) { context, chunk in
      unsafe ck_sigmoid_rows(context.assumingMemoryBound(to: ck_rows.self), chunk)
    }
  }

  private func inPlace(_ x: inout FloatMatrix, _ rows: Range<Int>, _ body: TeamJob) {
    check(rows, 0..<x.columns, in: x)
    if rows.isEmpty || x.columns == 0 { return }
    var job = unsafe ck_rows()
    unsafe job.out = unsafe x.baseAddress + rows.lowerBound * x.rowStride
    unsafe job.out_stride = x.rowStride
    unsafe run(&job, rows: rows.count, columns: x.columns, body)
  }

  /// sum := sum + x for some rows.
  public func add(_ x: borrowing FloatMatrix, to sum: inout FloatMatrix, rows: Range<Int>) {
    unsafe accumulate(x, into: &sum, rows, scale: 1) { context, chunk in
      unsafe ck_add_rows(context.assumingMemoryBound(to: ck_rows.self), chunk)
    }
  }

  /// sum := fma(scale, x, sum) for some rows.
  public func addScaled(
    _ x: borrowing FloatMatrix, by scale: Float, to sum: inout FloatMatrix, rows: Range<Int>
  ) {
    unsafe accumulate(x, into: &sum, rows, scale: scale) { context, chunk in
      unsafe ck_add_scaled_rows(context.assumingMemoryBound(to: ck_rows.self), chunk)
    }
  }

  private func accumulate(
    _ x: borrowing FloatMatrix, into sum: inout FloatMatrix, _ rows: Range<Int>, scale: Float,
    _ body: TeamJob
  ) {
    check(rows, 0..<sum.columns, in: sum)
    check(rows, 0..<sum.columns, in: x)
    if rows.isEmpty { return }
    var job = unsafe ck_rows()
    unsafe job.a = UnsafePointer(x.baseAddress + rows.lowerBound * x.rowStride)
    unsafe job.a_stride = x.rowStride
    unsafe job.out = unsafe sum.baseAddress + rows.lowerBound * sum.rowStride
    unsafe job.out_stride = sum.rowStride
    unsafe job.scalar = scale
    unsafe run(&job, rows: rows.count, columns: sum.columns, body)
  }

  /// The dot product of two spans of the same length.
  public func dot(_ a: Span<Float>, _ b: Span<Float>) -> Float {
    precondition(a.count == b.count, "dot: lengths differ")
    return unsafe a.withUnsafeBufferPointer { a in
      unsafe b.withUnsafeBufferPointer { b in
        guard let first = a.baseAddress, let second = b.baseAddress else { return 0 }
        return unsafe table.pointee.dot(first, second, a.count)
      }
    }
  }

  /// The index of the largest element, the lowest of equals.
  public func argmax(_ x: Span<Float>) -> Int {
    precondition(x.count > 0, "argmax of nothing")
    return unsafe x.withUnsafeBufferPointer { x in
      guard let start = x.baseAddress else { return 0 }
      return unsafe table.pointee.argmax(start, x.count)
    }
  }

  /// Softmax of one span, in place.
  public func softmax(_ x: inout MutableSpan<Float>) {
    unsafe x.withUnsafeMutableBufferPointer { x in
      guard let start = x.baseAddress else { return }
      unsafe table.pointee.softmax(start, x.count)
    }
  }

  /// e^x of one span, in place: 0 below −87.3, infinite above 88.7.
  public func exponential(_ x: inout MutableSpan<Float>) {
    unsafe x.withUnsafeMutableBufferPointer { x in
      guard let start = x.baseAddress else { return }
      unsafe table.pointee.exponential(start, x.count)
    }
  }

  func check(_ rows: Range<Int>, _ columns: Range<Int>, in matrix: borrowing FloatMatrix) {
    precondition(rows.lowerBound >= 0 && rows.upperBound <= matrix.rows, "rows are out of range")
    precondition(
      columns.lowerBound >= 0 && columns.upperBound <= matrix.columns, "columns are out of range")
  }
}

extension ck_rows {
  /// What rows of a gate become by their products with `up`, in place.
  init(gate: borrowing FloatMatrix, up: borrowing FloatMatrix, _ rows: Range<Int>) {
    unsafe self.init()
    let start = unsafe gate.baseAddress + rows.lowerBound * gate.rowStride
    unsafe a = UnsafePointer(start)
    unsafe a_stride = gate.rowStride
    unsafe b = UnsafePointer(up.baseAddress + rows.lowerBound * up.rowStride)
    unsafe b_stride = up.rowStride
    unsafe out = unsafe start
    unsafe out_stride = gate.rowStride
  }
}
