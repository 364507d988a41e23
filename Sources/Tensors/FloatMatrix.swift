internal import Glibc

/// Owned float32 rows, 64-byte aligned, zeroed at creation and freed at the end of their scope.
///
/// Every row starts on a 64-byte boundary: `rowStride` is `columns` rounded up to 16 floats, so
/// that a row is whole vectors for every kernel variant. The padding stays zero. A large matrix
/// takes memory page by page, as its elements are first written.
@safe
public struct FloatMatrix: ~Copyable, @unchecked Sendable {  // `base` is never shared
  private let base: UnsafeMutablePointer<Float>

  /// Rows that fit.
  public let rows: Int
  /// Elements of a row.
  public let columns: Int
  /// Floats from the start of one row to the start of the next.
  public let rowStride: Int

  private let byteCount: Int

  /// Allocates `rows` × `columns` zeros.
  public init(rows: Int, columns: Int) {
    precondition(rows >= 0 && columns >= 0)
    self.rows = rows
    self.columns = columns
    rowStride = (columns + 15) / 16 * 16
    byteCount = max(rows * rowStride * MemoryLayout<Float>.stride, 64)
    let raw = unsafe Self.zeros(byteCount: byteCount)
    unsafe base = raw.bindMemory(to: Float.self, capacity: byteCount / 4)
  }

  /// Reserves address space for `rows` × `columns` zeros, of any size that the system grants.
  ///
  /// Unlike the other initialiser it neither counts against the memory that the system is willing
  /// to promise, nor ends the process: it returns nil instead.
  public init?(reservingRows rows: Int, columns: Int) {
    guard rows > 0, columns > 0, columns <= .max - 15 else { return nil }
    let stride = (columns + 15) / 16 * 16
    let (count, tooMany) = rows.multipliedReportingOverflow(by: stride)
    let (bytes, tooLarge) = count.multipliedReportingOverflow(by: MemoryLayout<Float>.stride)
    guard !tooMany, !tooLarge else { return nil }
    let byteCount = max(bytes, Self.mappedByteCount)  // what deinit unmaps
    let raw = unsafe mmap(
      nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    guard let raw = unsafe raw, unsafe raw != MAP_FAILED else { return nil }
    self.rows = rows
    self.columns = columns
    rowStride = stride
    self.byteCount = byteCount
    unsafe base = raw.bindMemory(to: Float.self, capacity: count)
  }

  deinit {
    if byteCount >= Self.mappedByteCount {
      unsafe munmap(base, byteCount)
    } else {
      unsafe base.deallocate()
    }
  }

  private static let mappedByteCount = 1 << 20

  /// Zeros from the allocator, or for large matrices pages that appear when they are touched.
  private static func zeros(byteCount: Int) -> UnsafeMutableRawPointer {
    if byteCount < mappedByteCount {
      let raw = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 64)
      unsafe raw.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
      return unsafe raw
    }
    let raw = unsafe mmap(
      nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    guard let raw = unsafe raw, unsafe raw != MAP_FAILED else {
      preconditionFailure("no memory for \(byteCount) bytes of activations")
    }
    return unsafe raw
  }

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
