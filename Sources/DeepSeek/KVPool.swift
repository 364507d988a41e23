public import Kernels

/// One page of a `KVPool`.
public struct KVPage: Hashable, Sendable {
  let index: Int32
}

/// The memory of all sequences' keys and values: pages of 64 positions in all layers.
///
/// A page takes memory when it is first used, and keeps it. It is counted who refers to it, so that
/// sequences with a common beginning share its pages; a page with more than one owner is never
/// written. What a former owner left is erased before a page is used again. One thread at a time
/// uses a pool and its caches.
public final class KVPool {
  /// Positions of a page.
  public static let pageTokens = KVTile.positions

  /// How keys and values are stored.
  public var format: KVFormat { layout.format }
  /// Pages that there are.
  public var pageCount: Int { memory.pageCount }
  /// Pages that nobody uses.
  public var freePageCount: Int { pageCount - usedPageCount + released.count }
  /// Bytes that a page takes.
  public var bytesPerPage: Int { memory.pageByteCount }
  /// Bytes that one position takes in all layers.
  public var bytesPerToken: Int { memory.pageByteCount / Self.pageTokens }

  let layout: CacheLayout
  let layerCount: Int
  let memory: PageMemory
  let tile: KVTile

  private var references: [Int32] = []  // of each page that was ever used
  private var released: [Int32] = []  // used before, and free now
  private var usedPageCount: Int { references.count }

  /// Reserves address space for `pageCount` pages.
  init(layout: CacheLayout, layerCount: Int, pageCount: Int) throws(ModelError) {
    let tile = layout.tile
    let pageByteCount = layerCount * tile.byteCount
    guard pageCount > 0, pageCount < Int(Int32.max),
      let memory = PageMemory(pageCount: pageCount, pageByteCount: pageByteCount)
    else {
      throw .outOfMemory(
        purpose: "a cache of \(pageCount) pages of \(Self.pageTokens) positions",
        byteCount: pageCount.multipliedReportingOverflow(by: pageByteCount).partialValue)
    }
    self.layout = layout
    self.layerCount = layerCount
    self.memory = memory
    self.tile = tile
    // So that no step allocates; takes address space until it is written.
    references.reserveCapacity(pageCount)
    released.reserveCapacity(pageCount)
  }

  /// Pages that hold `tokens` positions.
  public static func pages(for tokens: Int) -> Int {
    tokens / pageTokens + (tokens % pageTokens == 0 ? 0 : 1)
  }

  /// Lends the bytes of a page: its positions of all layers, as `format` stores them.
  public func withBytes(of page: KVPage, _ body: (RawSpan) -> Void) {
    memory.withBytes(of: Int(page.index), body)
  }

  /// Lends the bytes of a page that nobody else holds.
  public func withMutableBytes<Value>(
    of page: KVPage, _ body: (inout MutableRawSpan) -> Value
  ) -> Value {
    precondition(references(to: page) == 1, "a page that others hold, too")
    return memory.withMutableBytes(of: Int(page.index), body)
  }

  /// A page of zeros with one reference; nil when all are used.
  public func take() -> KVPage? {
    if let index = released.popLast() {
      memory.clear(Int(index))
      references[Int(index)] = 1
      return KVPage(index: index)
    }
    guard usedPageCount < pageCount else { return nil }
    references.append(1)
    return KVPage(index: Int32(usedPageCount - 1))
  }

  /// Adds a reference to a page that has one.
  public func retain(_ page: KVPage) {
    precondition(references(to: page) > 0, "a page that nobody uses")
    references[Int(page.index)] += 1
  }

  /// Takes a reference away; without any, the page is free.
  public func release(_ page: KVPage) {
    precondition(references(to: page) > 0, "a page that nobody uses")
    references[Int(page.index)] -= 1
    if references[Int(page.index)] == 0 { released.append(page.index) }
  }

  /// How many refer to a page.
  public func references(to page: KVPage) -> Int { Int(references[Int(page.index)]) }
}
