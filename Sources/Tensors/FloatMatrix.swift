/// Owned float32 rows, 64-byte aligned, zeroed at creation and freed at the end of their scope.
///
/// Every row starts on a 64-byte boundary: `rowStride` is `columns` rounded up to 16 floats, so
/// that a row is whole vectors for every kernel variant. The padding stays zero.
@safe
public struct FloatMatrix: ~Copyable, @unchecked Sendable {  // `base` is never shared
  private let base: UnsafeMutablePointer<Float>

  /// Rows that fit.
  public let rows: Int
  /// Elements of a row.
  public let columns: Int
  /// Floats from the start of one row to the start of the next.
  public let rowStride: Int

  /// Allocates `rows` × `columns` zeros.
  public init(rows: Int, columns: Int) {
    precondition(rows >= 0 && columns >= 0)
    self.rows = rows
    self.columns = columns
    rowStride = (columns + 15) / 16 * 16
    let byteCount = max(rows * rowStride * MemoryLayout<Float>.stride, 64)
    let raw = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 64)
    unsafe raw.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
    unsafe base = raw.assumingMemoryBound(to: Float.self)
  }

  deinit { unsafe base.deallocate() }

  /// All floats, padding included, readable while the matrix is borrowed.
  public var span: Span<Float> {
    @_lifetime(borrow self)
    borrowing get {
      let span = unsafe Span(_unsafeStart: base, count: rows * rowStride)
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }

  /// All floats, padding included, writable while the matrix is held exclusively.
  public var mutableSpan: MutableSpan<Float> {
    @_lifetime(&self)
    mutating get {
      let span = unsafe MutableSpan(_unsafeStart: base, count: rows * rowStride)
      return unsafe _overrideLifetime(span, mutating: &self)
    }
  }

  /// The elements of one row, without padding.
  @_lifetime(borrow self)
  public borrowing func row(_ index: Int) -> Span<Float> {
    precondition(index >= 0 && index < rows)
    let span = unsafe Span(_unsafeStart: UnsafePointer(base + index * rowStride), count: columns)
    return unsafe _overrideLifetime(span, borrowing: self)
  }

  /// The elements of one row, without padding, for writing.
  @_lifetime(&self)
  public mutating func mutableRow(_ index: Int) -> MutableSpan<Float> {
    precondition(index >= 0 && index < rows)
    let span = unsafe MutableSpan(_unsafeStart: base + index * rowStride, count: columns)
    return unsafe _overrideLifetime(span, mutating: &self)
  }

  /// The address of the first float, for kernel calls; valid while the matrix lives.
  @unsafe
  public var baseAddress: UnsafeMutablePointer<Float> { unsafe base }
}
