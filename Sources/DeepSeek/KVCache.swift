import Kernels

/// The keys and values of one sequence in all layers: pages of a pool, in order.
///
/// - A sequence that starts like another shares that one's pages. Nobody writes to a shared page:
///   before a sequence grows into one, it gets a copy.
public final class KVCache {
  /// Where its pages come from.
  public let pool: KVPool
  /// Positions that it may grow to.
  public let capacity: Int
  /// Positions that are stored in every layer.
  public private(set) var length = 0

  private let table: PageTable
  private var pageCountBefore = 0  // the step that is running

  /// An empty sequence, which takes pages as it grows.
  ///
  /// - `capacity`: the most positions; it may exceed what the pool has.
  public init(_ pool: KVPool, capacity: Int) {
    precondition(capacity >= 0)
    self.pool = pool
    self.capacity = capacity
    table = PageTable(capacity: min(KVPool.pages(for: capacity), pool.pageCount))
  }

  /// A sequence that starts with whole pages of another, whose tokens are the same.
  ///
  /// - `pages`: pages of `pool` that are in use and full, in order; each gets a reference more.
  public convenience init(_ pool: KVPool, sharing pages: some Sequence<KVPage>, capacity: Int) {
    self.init(pool, capacity: capacity)
    for page in pages {
      pool.retain(page)
      table.append(page.index)
    }
    length = table.count * KVPool.pageTokens
    precondition(length <= capacity, "more pages than the capacity holds")
  }

  deinit { drop(keeping: 0) }

  /// The pages in order; of the last, only `length` says how much is in use.
  public var pages: [KVPage] { (0..<table.count).map { KVPage(index: table[$0]) } }

  /// Pages in use.
  public var pageCount: Int { table.count }

  /// Takes the pages that `count` more positions need, so that a step cannot fail for want of them.
  ///
  /// - Throws: `ModelError.cacheFull` beyond the capacity, `.outOfPages` when the pool has too few;
  ///   then none was taken.
  public func reserve(_ count: Int) throws(ModelError) {
    precondition(count >= 0)
    guard count <= capacity - length else { throw .cacheFull(capacity: capacity) }
    let needed = KVPool.pages(for: length + count) - table.count
    let copies = count > 0 && lastIsShared ? 1 : 0
    guard needed + copies <= pool.freePageCount else {
      throw .outOfPages(needed: needed + copies, free: pool.freePageCount)
    }
    if copies > 0 { ownLast() }
    for _ in 0..<max(needed, 0) {
      if let page = pool.take() { table.append(page.index) }
    }
  }

  /// Forgets all but the first `length` positions, and pages without any.
  public func truncate(to length: Int) {
    precondition(length >= 0 && length <= self.length)
    self.length = length
    drop(keeping: KVPool.pages(for: length))
  }

  /// Where one layer's keys and values are.
  func place(layer: Int) -> KVPlace {
    KVPlace(
      memory: pool.memory, table: table, tile: pool.tile, byteOffset: layer * pool.tile.byteCount)
  }
}

// MARK: - A step

extension KVCache {
  /// Reserves what a step of `count` rows needs.
  func begin(_ count: Int) throws(ModelError) {
    pageCountBefore = table.count
    try reserve(count)
  }

  /// Fills up to `length` positions by repeating the pages that are stored, one or more, all full.
  ///
  /// For measuring: what a step costs depends on how much is stored, not on what. Later tokens see
  /// keys of wrong positions.
  public func repeatPages(to length: Int) throws(ModelError) {
    let stored = table.count
    precondition(stored > 0 && self.length == stored * KVPool.pageTokens && length >= self.length)
    try reserve(length - self.length)
    for index in stored..<max(stored, table.count) {
      pool.memory.copy(Int(table[index % stored]), to: Int(table[index]))
    }
    self.length = length
  }

  /// Takes the rows that a finished step wrote as stored.
  func commit(_ count: Int) {
    precondition(count >= 0 && length + count <= capacity)
    length += count
  }

  /// Gives back what the step reserved.
  func abandon() { drop(keeping: pageCountBefore) }
}

extension KVCache {
  /// The page that the next position falls into, if it has begun.
  private var growing: Int? {
    length % KVPool.pageTokens == 0 ? nil : length / KVPool.pageTokens
  }

  private var lastIsShared: Bool {
    guard let growing else { return false }
    return pool.references(to: KVPage(index: table[growing])) > 1
  }

  /// Puts a copy in place of the page that the next position falls into.
  private func ownLast() {
    guard let growing, let copy = pool.take() else { return }
    let page = KVPage(index: table[growing])
    pool.memory.copy(Int(page.index), to: Int(copy.index))
    table[growing] = copy.index
    pool.release(page)
  }

  private func drop(keeping count: Int) {
    while table.count > count { pool.release(KVPage(index: table.removeLast())) }
  }
}
