internal import CKernels
internal import Glibc
public import Tensors

/// Pages of equal size, side by side in reserved address space.
///
/// A page takes memory when it is first written. Who uses a page is up to the owner; one thread at
/// a time writes, and nobody reads meanwhile.
@safe
public final class PageMemory: @unchecked Sendable {  // the owner says who uses a page
  /// Pages that fit.
  public let pageCount: Int
  /// Bytes of a page.
  public let pageByteCount: Int

  let base: UnsafeMutableRawPointer

  /// Reserves address space; nil where the system grants none of that size.
  public init?(pageCount: Int, pageByteCount: Int) {
    let (byteCount, overflows) = pageCount.multipliedReportingOverflow(by: pageByteCount)
    guard pageCount > 0, pageByteCount > 0, !overflows else { return nil }
    let raw = unsafe mmap(
      nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    guard let raw = unsafe raw, unsafe raw != MAP_FAILED else { return nil }
    self.pageCount = pageCount
    self.pageByteCount = pageByteCount
    unsafe base = unsafe raw
    // One layer's tiles lie a page apart: with small pages of the system, each costs a walk.
    unsafe ck_advise_huge_pages(raw, byteCount)
  }

  deinit { unsafe munmap(base, pageCount * pageByteCount) }

  /// Sets all bytes of a page to zero.
  public func clear(_ page: Int) {
    unsafe memset(address(page), 0, pageByteCount)
  }

  /// Makes page `target` equal to page `source`.
  public func copy(_ source: Int, to target: Int) {
    unsafe memcpy(address(target), address(source), pageByteCount)
  }

  /// Lends the bytes of a page.
  public func withBytes(of page: Int, _ body: (RawSpan) -> Void) {
    unsafe body(UnsafeRawBufferPointer(start: address(page), count: pageByteCount).bytes)
  }

  /// Lends the bytes of a page for writing.
  public func withMutableBytes<Value>(
    of page: Int, _ body: (inout MutableRawSpan) -> Value
  ) -> Value {
    let buffer = unsafe UnsafeMutableRawBufferPointer(start: address(page), count: pageByteCount)
    var bytes = unsafe buffer.mutableBytes
    return body(&bytes)
  }

  func address(_ page: Int) -> UnsafeMutableRawPointer {
    precondition(page >= 0 && page < pageCount, "no such page")
    return unsafe base + page * pageByteCount
  }
}

/// The pages of one sequence in order; room for all of them is set aside at once.
@safe
public final class PageTable {
  /// Pages that fit.
  public let capacity: Int
  /// Pages in the table.
  public private(set) var count = 0

  let base: UnsafeMutablePointer<Int32>

  /// Makes an empty table; memory is taken as it grows.
  public init(capacity: Int) {
    self.capacity = capacity
    unsafe base = .allocate(capacity: max(capacity, 1))
  }

  deinit { unsafe base.deallocate() }

  /// The page at an index.
  public subscript(index: Int) -> Int32 {
    get {
      precondition(index >= 0 && index < count)
      return unsafe base[index]
    }
    set {
      precondition(index >= 0 && index < count)
      unsafe base[index] = newValue
    }
  }

  /// Adds a page at the end.
  public func append(_ page: Int32) {
    precondition(count < capacity, "the page table is full")
    unsafe (base + count).initialize(to: page)
    count += 1
  }

  /// Removes and returns the last page.
  public func removeLast() -> Int32 {
    precondition(count > 0)
    count -= 1
    return unsafe base[count]
  }
}

/// Where the keys and values of one sequence lie in one layer.
public struct KVPlace {
  let memory: PageMemory
  let table: PageTable
  let tile: KVTile
  let byteOffset: Int

  /// The layer whose tiles begin `byteOffset` bytes after the beginning of each page.
  public init(memory: PageMemory, table: PageTable, tile: KVTile, byteOffset: Int) {
    precondition(byteOffset >= 0 && byteOffset + tile.byteCount <= memory.pageByteCount)
    self.memory = memory
    self.table = table
    self.tile = tile
    self.byteOffset = byteOffset
  }
}

extension Kernels {
  /// Stores equally spaced pieces of one row, such as all heads' keys, as one position's.
  ///
  /// Row `row` of `x` holds `count` pieces of `width` floats, `stride` apart, from `column` on; the
  /// position receives them from `outputColumn` on, `outputStride` apart. Both are multiples of the
  /// format's `columnMultiple`; what is left of a block of int8 columns becomes zero.
  public func store(
    _ x: borrowing FloatMatrix, row: Int, column: Int = 0, stride: Int, count: Int = 1, width: Int,
    in place: KVPlace, position: Int, outputColumn: Int = 0, outputStride: Int = 0
  ) {
    let tile = place.tile
    precondition(count > 0 && width > 0 && stride >= width)
    precondition(outputColumn == tile.format.padded(outputColumn))
    precondition(count == 1 || outputStride >= tile.format.padded(width))
    precondition(outputStride == tile.format.padded(outputStride))
    precondition(
      outputColumn + (count - 1) * outputStride + tile.format.padded(width) <= tile.columns)
    check(row..<row + 1, column..<column + (count - 1) * stride + width, in: x)
    let page = Int(place.table[position / KVTile.positions])
    let bytes = unsafe place.memory.address(page) + place.byteOffset
    let source = unsafe x.baseAddress + row * x.rowStride + column
    for piece in 0..<count {
      unsafe ck_kv_store(
        table, tile.layout, bytes.assumingMemoryBound(to: UInt8.self),
        position % KVTile.positions, outputColumn + piece * outputStride,
        source + piece * stride, width)
    }
  }
}
