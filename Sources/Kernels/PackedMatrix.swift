internal import CKernels
public import Tensors

/// A weight matrix in the layout of the kernels: panels of 16 rows, a lane per row.
///
/// As large as in its file, up to padding of the last panel. Memory belongs to the arena, which
/// the matrix keeps alive. Immutable once packed: only then share it.
@safe
public struct PackedMatrix: @unchecked Sendable {  // written only by `pack`, before it is shared
  /// How elements are stored.
  public let format: ElementFormat
  /// Output width.
  public let rows: Int
  /// Input width.
  public let columns: Int

  let base: UnsafeMutableRawPointer
  let panelByteCount: Int
  let blockScales: UnsafeMutablePointer<Float>?  // F8_E4M3: ⌈rows/128⌉ × ⌈columns/128⌉
  private let arena: WeightArena

  /// Rows of a panel.
  public static var panelRows: Int { Int(CK_LANES) }
  private static let scaleBlock = 128

  /// Reserves memory for a matrix, which `pack` then fills.
  ///
  /// Rows that are never packed are zeros.
  ///
  /// - Throws: `KernelError.unsupportedShape`, `KernelError.outOfMemory`.
  public init(
    arena: WeightArena, format: ElementFormat, rows: Int, columns: Int
  ) throws(KernelError) {
    guard rows > 0, columns > 0, rows < 1 << 31, columns < 1 << 31,
      format.byteCount(elements: columns) != nil, format != .q8_1, format != .q8K
    else { throw .unsupportedShape(format: format, rows: rows, columns: columns) }
    self.arena = arena
    self.format = format
    self.rows = rows
    self.columns = columns
    panelByteCount = ck_panel_bytes(format.rawValue, columns)
    unsafe base = try arena.allocate(byteCount: Self.panels(rows) * panelByteCount)
    guard format == .f8E4M3 else {
      unsafe blockScales = nil
      return
    }
    let count = Self.scaleBlocks(rows) * Self.scaleBlocks(columns)
    let scales = unsafe try arena.allocate(byteCount: 4 * count).bindMemory(
      to: Float.self, capacity: count)
    unsafe scales.initialize(repeating: 1, count: count)
    unsafe blockScales = unsafe scales
  }

  /// What this matrix multiplies.
  public var activationFormat: ActivationFormat { format.activationFormat }

  /// Bytes of the panels.
  public var byteCount: Int { panelCount * panelByteCount }

  /// Bytes of one row as it stands in a file.
  public var rawRowByteCount: Int { ck_row_bytes(format.rawValue, columns) }

  var panelCount: Int { Self.panels(rows) }

  private static func panels(_ rows: Int) -> Int { (rows + panelRows - 1) / panelRows }

  private static func scaleBlocks(_ count: Int) -> Int { (count + scaleBlock - 1) / scaleBlock }

  /// Packs rows as they stand in a file, from `row` on.
  ///
  /// Different panels may be packed by different threads at the same time.
  ///
  /// - Parameters:
  ///   - rawRows: whole rows; a multiple of 16, except at the matrix's end.
  ///   - row: the first one's index, a multiple of 16.
  public func pack(rawRows: RawSpan, at row: Int = 0) {
    let rowBytes = rawRowByteCount
    let count = rawRows.byteCount / rowBytes
    precondition(count * rowBytes == rawRows.byteCount, "pack: not whole rows")
    precondition(row >= 0 && row % Self.panelRows == 0 && row + count <= rows, "pack: bad row")
    precondition(count % Self.panelRows == 0 || row + count == rows, "pack: not whole panels")
    unsafe rawRows.withUnsafeBytes { raw in
      for first in stride(from: 0, to: count, by: Self.panelRows) {
        let source = unsafe UnsafeRawBufferPointer(rebasing: raw[(first * rowBytes)...])
        guard let address = source.baseAddress else { return }
        unsafe ck_pack_panel(
          format.rawValue, columns, address.assumingMemoryBound(to: UInt8.self),
          min(Self.panelRows, count - first), panel((row + first) / Self.panelRows))
      }
    }
  }

  /// Sets the factors of the 128 × 128 blocks of an F8_E4M3 matrix (`weight_scale_inv`).
  ///
  /// - Parameter scales: ⌈rows/128⌉ × ⌈columns/128⌉ floats, row-major. Without them factors are 1.
  public func setBlockScales(_ scales: Span<Float>) {
    let count = Self.scaleBlocks(rows) * Self.scaleBlocks(columns)
    guard let blockScales = unsafe blockScales else {
      preconditionFailure("setBlockScales: \(format.name) has no block scales")
    }
    precondition(scales.count == count, "setBlockScales: \(scales.count) factors, not \(count)")
    for index in 0..<count { unsafe blockScales[index] = scales[index] }
  }

  /// Decodes one row to floats, for embedding lookup.
  public func copyRow(_ row: Int, into out: inout MutableSpan<Float>) {
    precondition(row >= 0 && row < rows && out.count == columns, "copyRow: bad row or width")
    let byteCount = rawRowByteCount
    unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: byteCount) { raw in
      guard let address = raw.baseAddress else { return }
      unsafe ck_unpack_row(
        format.rawValue, columns, panel(row / Self.panelRows), row % Self.panelRows, address)
      unsafe format.decode(
        RawSpan(_unsafeStart: UnsafeRawPointer(address), byteCount: byteCount), into: &out)
    }
    guard let scales = unsafe blockScales else { return }
    let first = row / Self.scaleBlock * Self.scaleBlocks(columns)
    for column in 0..<columns { unsafe out[column] *= scales[first + column / Self.scaleBlock] }
  }

  private func panel(_ index: Int) -> UnsafeMutablePointer<UInt8> {
    unsafe (base + index * panelByteCount).assumingMemoryBound(to: UInt8.self)
  }
}
