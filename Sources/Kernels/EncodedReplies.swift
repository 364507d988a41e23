internal import CKernels
internal import Glibc
public import Tensors

/// Rows of partial sums, rounded to the reply format, exactly as they go on the wire.
@safe
public struct EncodedReplies: ~Copyable, @unchecked Sendable {  // memory is never shared
  /// How rows are rounded.
  public let format: ReplyFormat
  /// Rows that fit.
  public let capacity: Int
  /// Elements of a row.
  public let columns: Int
  /// Rows that are filled.
  public private(set) var rowCount = 0

  let bytes: UnsafeMutableRawPointer  // (capacity, rowByteCount)

  /// Allocates `rows` rows of `columns` elements.
  public init(format: ReplyFormat, capacity rows: Int, columns: Int) {
    precondition(rows >= 0 && columns >= 0)
    self.format = format
    capacity = rows
    self.columns = columns
    let byteCount = max(rows * format.byteCount(columns: columns), 1)
    unsafe bytes = .allocate(byteCount: byteCount, alignment: 64)
    unsafe bytes.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
  }

  deinit { unsafe bytes.deallocate() }

  /// Bytes of one row on the wire.
  public var rowByteCount: Int { format.byteCount(columns: columns) }

  /// Forgets all rows.
  public mutating func removeAll() { rowCount = 0 }

  /// The wire form of some filled rows, readable while they are borrowed.
  @_lifetime(borrow self)
  public borrowing func wireBytes(_ rows: Range<Int>) -> RawSpan {
    precondition(rows.lowerBound >= 0 && rows.upperBound <= rowCount, "wireBytes: rows not filled")
    let start = unsafe UnsafeRawPointer(bytes + rows.lowerBound * rowByteCount)
    let span = unsafe RawSpan(_unsafeStart: start, byteCount: rows.count * rowByteCount)
    return unsafe _overrideLifetime(span, borrowing: self)
  }

  /// Fills rows from `row` on with bytes that came over the wire; they become the last rows.
  ///
  /// - Throws: `KernelError.wireLength` unless the bytes are whole rows that fit.
  public mutating func setWireBytes(_ wire: RawSpan, at row: Int = 0) throws(KernelError) {
    precondition(row >= 0 && row <= rowCount, "setWireBytes: gap before row \(row)")
    let count = rowByteCount > 0 ? wire.byteCount / rowByteCount : 0
    guard count * rowByteCount == wire.byteCount, count <= capacity - row else {
      throw .wireLength(
        expected: min(max(count, 1), capacity - row) * rowByteCount, found: wire.byteCount)
    }
    unsafe wire.withUnsafeBytes { wire in
      guard let source = wire.baseAddress else { return }
      unsafe memcpy(bytes + row * rowByteCount, source, wire.count)
    }
    rowCount = row + count
  }

  /// Rounds rows of a matrix into rows `row` and following, which become the last rows.
  public mutating func encode(
    _ x: borrowing FloatMatrix, rows: Range<Int>, at row: Int = 0, with kernels: Kernels
  ) {
    precondition(row >= 0 && row <= rowCount && rows.count <= capacity - row, "encode: no room")
    precondition(rows.lowerBound >= 0 && rows.upperBound <= x.rows, "encode: no such rows")
    precondition(columns == x.columns, "encode: widths differ")
    rowCount = row + rows.count
    if rows.isEmpty || columns == 0 { return }
    let source = unsafe x.baseAddress + rows.lowerBound * x.rowStride
    if format == .float32 {
      for index in 0..<rows.count {
        unsafe memcpy(
          bytes + (row + index) * rowByteCount, source + index * x.rowStride, rowByteCount)
      }
      return
    }
    var job = unsafe ck_rows()
    unsafe job.a = UnsafePointer(source)
    unsafe job.a_stride = x.rowStride
    unsafe job.encoded = (bytes + row * rowByteCount).assumingMemoryBound(to: UInt8.self)
    unsafe job.encoded_stride = rowByteCount
    unsafe kernels.run(&job, rows: rows.count, columns: columns) { context, chunk in
      unsafe ck_encode_int16_rows(context.assumingMemoryBound(to: ck_rows.self), chunk)
    }
  }
}

extension Kernels {
  /// Sums decoded replies: row r of `sum` becomes Σ reply[entries[i]], i in offsets[r] ..<
  /// offsets[r + 1] ascending, starting from 0.
  ///
  /// - `entries`: indices of rows of `replies`, those of one output row adjacent.
  /// - `offsets`: one more than output rows, ascending, from 0 to `entries.count`.
  public func sumReplies(
    _ replies: borrowing EncodedReplies, entries: Span<Int32>, offsets: Span<Int32>,
    into sum: inout FloatMatrix
  ) {
    let rows = offsets.count - 1
    precondition(rows >= 0 && rows <= sum.rows && replies.columns == sum.columns)
    checkSums(entries, offsets, limit: replies.rowCount)
    if rows == 0 { return }
    var job = unsafe ck_rows()
    unsafe job.out = sum.baseAddress
    unsafe job.out_stride = sum.rowStride
    let (bytes, columns, format) = unsafe (replies.bytes, replies.columns, replies.format)
    let rowByteCount = replies.rowByteCount
    unsafe withIndices(&job, entries, offsets) { job in
      if format == .float32 {
        unsafe job.a = UnsafePointer(bytes.assumingMemoryBound(to: Float.self))
        unsafe job.a_stride = columns
        unsafe run(&job, rows: rows, columns: columns) { context, chunk in
          unsafe ck_weighted_sum_rows(context.assumingMemoryBound(to: ck_rows.self), chunk)
        }
      } else {
        unsafe job.encoded = bytes.assumingMemoryBound(to: UInt8.self)
        unsafe job.encoded_stride = rowByteCount
        unsafe run(&job, rows: rows, columns: columns) { context, chunk in
          unsafe ck_sum_int16_rows(context.assumingMemoryBound(to: ck_rows.self), chunk)
        }
      }
    }
  }

  /// Sums weighted rows: row `first` + r of `out` becomes Σ fma(weights[i], y[entries[i]], sum),
  /// i in offsets[r] ..< offsets[r + 1] ascending, starting from 0.
  public func weightedSums(
    of y: borrowing FloatMatrix, entries: Span<Int32>, weights: Span<Float>, offsets: Span<Int32>,
    into out: inout FloatMatrix, firstRow first: Int = 0
  ) {
    let rows = offsets.count - 1
    precondition(rows >= 0 && first >= 0 && first + rows <= out.rows && y.columns == out.columns)
    precondition(weights.count == entries.count)
    checkSums(entries, offsets, limit: y.rows)
    if rows == 0 { return }
    var job = unsafe ck_rows()
    unsafe job.a = UnsafePointer(y.baseAddress)
    unsafe job.a_stride = y.rowStride
    unsafe job.out = unsafe out.baseAddress + first * out.rowStride
    unsafe job.out_stride = out.rowStride
    let columns = y.columns
    unsafe weights.withUnsafeBufferPointer { weights in
      unsafe job.weights = weights.baseAddress
      unsafe withIndices(&job, entries, offsets) { job in
        unsafe run(&job, rows: rows, columns: columns) { context, chunk in
          unsafe ck_weighted_sum_rows(context.assumingMemoryBound(to: ck_rows.self), chunk)
        }
      }
    }
  }

  private func withIndices(
    _ job: inout ck_rows, _ entries: Span<Int32>, _ offsets: Span<Int32>,
    _ body: (inout ck_rows) -> Void
  ) {
    unsafe entries.withUnsafeBufferPointer { entries in
      unsafe offsets.withUnsafeBufferPointer { offsets in
        unsafe job.indices = entries.baseAddress
        unsafe job.offsets = offsets.baseAddress
        unsafe body(&job)
      }
    }
  }

  private func checkSums(_ entries: Span<Int32>, _ offsets: Span<Int32>, limit: Int) {
    precondition(offsets.count > 0 && offsets[0] == 0, "offsets must start at 0")
    for row in 1..<offsets.count {
      precondition(offsets[row] >= offsets[row - 1], "offsets must ascend")
    }
    precondition(offsets[offsets.count - 1] == entries.count, "offsets must cover the entries")
    for index in entries.indices {
      precondition(entries[index] >= 0 && entries[index] < limit, "no row \(entries[index])")
    }
  }
}
