internal import CKernels
internal import Glibc
public import Tensors

/// Activation rows in the format that weight matrices consume, exactly as they go on the wire.
@safe
public struct EncodedRows: ~Copyable, @unchecked Sendable {  // memory is never shared
  /// How rows are encoded.
  public let format: ActivationFormat
  /// Rows that fit.
  public let capacity: Int
  /// Elements of a row; a multiple of 32 for int8 blocks.
  public let columns: Int
  /// Rows that are filled.
  public private(set) var rowCount = 0

  let bytes: UnsafeMutableRawPointer  // (capacity, rowByteCount)
  let blocks: UnsafeMutablePointer<ck_block>  // (capacity, columns / 32), int8 only

  /// Allocates `rows` rows of `columns` elements.
  public init(format: ActivationFormat, capacity rows: Int, columns: Int) {
    precondition(rows >= 0 && columns >= 0 && columns % format.blockLength == 0)
    self.format = format
    capacity = rows
    self.columns = columns
    let byteCount = max(rows * format.byteCount(columns: columns), 1)
    unsafe bytes = .allocate(byteCount: byteCount, alignment: 64)
    unsafe bytes.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
    let blockCount = format == .int8Blocks ? rows * (columns / 32) : 0
    unsafe blocks = .allocate(capacity: max(blockCount, 1))
    unsafe blocks.initialize(repeating: ck_block(), count: max(blockCount, 1))
  }

  deinit {
    unsafe bytes.deallocate()
    unsafe blocks.deallocate()
  }

  /// Bytes of one row on the wire.
  public var rowByteCount: Int { format.byteCount(columns: columns) }

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
  /// - Throws: `KernelError.wireLength` unless the bytes are whole rows that fit,
  ///   `KernelError.wireContents` when they are nothing that `encode` writes.
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
    guard format == .int8Blocks else { return }
    for index in row..<row + count where !derive(index) { throw .wireContents(row: index - row) }
  }

  private func derive(_ row: Int) -> Bool {
    let codes = unsafe bytes + row * rowByteCount
    return unsafe KernelVariant.bestTable.pointee.derive_blocks(
      codes.assumingMemoryBound(to: Int8.self),
      (codes + columns).assumingMemoryBound(to: UInt16.self), columns,
      blocks + row * (columns / 32))
  }

  /// Encodes rows of a matrix into rows `row` and following, which become the last rows.
  ///
  /// - `x`: at least `columnOffset` + `columns` wide.
  /// - `rows`: which rows of `x`.
  public mutating func encode(
    _ x: borrowing FloatMatrix, rows: Range<Int>, columnOffset: Int = 0, at row: Int = 0,
    with kernels: Kernels
  ) {
    encode(
      x, rows: rows, pieces: RowPieces(column: columnOffset, count: 1, width: columns, stride: 0),
      at: row, with: kernels)
  }

  /// Encodes equally spaced pieces of each row, which become adjacent.
  ///
  /// - `pieces`: as wide together as a row; each is whole blocks of the format.
  public mutating func encode(
    _ x: borrowing FloatMatrix, rows: Range<Int>, pieces: RowPieces, at row: Int = 0,
    with kernels: Kernels
  ) {
    precondition(row >= 0 && row <= rowCount && rows.count <= capacity - row, "encode: no room")
    precondition(pieces.count * pieces.width == columns, "encode: pieces are not a row")
    precondition(pieces.width % format.blockLength == 0, "encode: pieces are not blocks")
    kernels.check(rows, pieces.columns, in: x)
    rowCount = row + rows.count
    if rows.isEmpty || columns == 0 { return }
    var job = unsafe ck_rows()
    unsafe job.a = UnsafePointer(
      x.baseAddress + rows.lowerBound * x.rowStride + pieces.column)
    unsafe job.a_stride = x.rowStride
    unsafe job.heads = pieces.count
    unsafe job.head_stride = pieces.stride
    let target = unsafe bytes + row * rowByteCount
    if format == .float32 {
      unsafe job.out = target.assumingMemoryBound(to: Float.self)
      unsafe job.out_stride = columns
      unsafe job.out_head_stride = pieces.width
      unsafe kernels.run(&job, rows: rows.count, columns: columns) { context, chunk in
        unsafe ck_copy_rows(context.assumingMemoryBound(to: ck_rows.self), chunk)
      }
      return
    }
    unsafe job.encoded = target.assumingMemoryBound(to: UInt8.self)
    unsafe job.encoded_stride = rowByteCount
    unsafe job.blocks = unsafe blocks + row * (columns / 32)
    unsafe job.blocks_stride = columns / 32
    unsafe kernels.run(&job, rows: rows.count, columns: columns) { context, chunk in
      unsafe ck_encode_int8_rows(context.assumingMemoryBound(to: ck_rows.self), chunk)
    }
  }
}

extension EncodedRows {
  /// Sets rows of `gate` to silu(gate) · up, and encodes them into rows 0 and following, which
  /// become the last rows.
  ///
  /// - Shapes: `gate`, `up`: at least `rows.upperBound` × `columns`.
  public mutating func encodeSiluProduct(
    _ gate: inout FloatMatrix, _ up: borrowing FloatMatrix, rows: Range<Int>, with kernels: Kernels
  ) {
    guard format == .int8Blocks, !rows.isEmpty, columns > 0 else {
      kernels.siluMultiply(&gate, up: up, rows: rows)
      return encode(gate, rows: rows, with: kernels)
    }
    precondition(rows.count <= capacity && gate.columns == columns, "encode: no room")
    kernels.check(rows, 0..<columns, in: gate)
    kernels.check(rows, 0..<columns, in: up)
    rowCount = rows.count
    var job = unsafe ck_rows(gate: gate, up: up, rows)
    unsafe job.encoded = bytes.assumingMemoryBound(to: UInt8.self)
    unsafe job.encoded_stride = rowByteCount
    unsafe job.blocks = unsafe blocks
    unsafe job.blocks_stride = columns / 32
    unsafe kernels.run(&job, rows: rows.count, columns: columns) { context, chunk in
      unsafe ck_silu_encode_rows(context.assumingMemoryBound(to: ck_rows.self), chunk)
    }
  }
}

extension KernelVariant {
  static var bestTable: UnsafePointer<ck_kernels> {
    unsafe best.table ?? ck_kernels_scalar()
  }
}
