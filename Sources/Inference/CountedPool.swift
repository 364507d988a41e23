import DeepSeek

/// A pool that counts pages of caches which cannot share them.
public final class CountedPool: CachePool {
  /// Tokens per page.
  public static let pageTokens = 64
  /// Pages in all.
  public let pageCount: Int
  /// Pages that nobody holds.
  public private(set) var freePageCount: Int

  fileprivate let make: (Int) throws -> KVCache
  private var holders: [Int32]
  private var free: [Int32]

  init(pageCount: Int, make: @escaping (Int) throws -> KVCache) {
    self.pageCount = pageCount
    self.make = make
    freePageCount = pageCount
    holders = Array(repeating: 0, count: pageCount)
    free = Array((0..<Int32(pageCount)).reversed())
  }

  /// A cache without tokens.
  public func makeCache() -> CountedCache { CountedCache(self) }
  /// The same: these caches have nothing in common.
  public func makeCache(sharing pages: [Int32]) -> CountedCache { CountedCache(self) }

  /// Holds a page once more.
  public func retain(_ page: Int32) { holders[Int(page)] += 1 }

  /// Lets a page go.
  public func release(_ page: Int32) {
    holders[Int(page)] -= 1
    if holders[Int(page)] == 0 {
      free.append(page)
      freePageCount += 1
    }
  }

  fileprivate func take() -> Int32? {
    guard let page = free.popLast() else { return nil }
    freePageCount -= 1
    holders[Int(page)] = 1
    return page
  }
}

/// The keys and values of one sequence, whose pages are counted.
public final class CountedCache: SequenceCache {
  /// The pages in the order of their tokens.
  public private(set) var pages: [Int32] = []
  private let pool: CountedPool
  private var cache: KVCache?

  fileprivate init(_ pool: CountedPool) {
    self.pool = pool
  }

  deinit { for page in pages { pool.release(page) } }

  /// How many tokens are stored.
  public var length: Int { cache?.length ?? 0 }
  /// How many pages they take.
  public var pageCount: Int { pages.count }

  /// Makes sure that `count` more tokens have room.
  public func reserve(_ count: Int) throws {
    let needed = (length + count + CountedPool.pageTokens - 1) / CountedPool.pageTokens
    guard needed - pages.count <= pool.freePageCount else {
      throw InferenceError.cacheFull(tokens: length + count)
    }
    while pages.count < needed, let page = pool.take() { pages.append(page) }
  }

  /// Forgets all but the first `length` tokens.
  public func truncate(to length: Int) {
    cache?.truncate(to: length)
    let needed = (length + CountedPool.pageTokens - 1) / CountedPool.pageTokens
    while pages.count > needed { pool.release(pages.removeLast()) }
  }

  func storage() throws -> KVCache {
    if let cache { return cache }
    let made = try pool.make(pool.pageCount * CountedPool.pageTokens)
    cache = made
    return made
  }
}
