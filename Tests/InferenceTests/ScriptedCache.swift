import Inference
import Tokenization

/// A pool whose pages hold the tokens themselves, four each unless a test wants more.
final class ScriptedPool: CachePool {
  static var pageTokens: Int { 4 }

  let pageCount: Int
  var bytesPerPage: Int { Self.pageTokens * MemoryLayout<TokenID>.size }
  private(set) var freePageCount: Int
  private var contents: [[TokenID]]
  private var holders: [Int]

  init(pageCount: Int) {
    self.pageCount = pageCount
    freePageCount = pageCount
    contents = Array(repeating: [], count: pageCount)
    holders = Array(repeating: 0, count: pageCount)
  }

  func makeCache() -> ScriptedCache { ScriptedCache(self, pages: []) }

  func makeCache(sharing pages: [Int]) -> ScriptedCache {
    for page in pages {
      precondition(contents[page].count == Self.pageTokens, "only full pages are shared")
      retain(page)
    }
    return ScriptedCache(self, pages: pages)
  }

  func takePage(filling fill: (inout MutableRawSpan) -> Bool) -> Int? {
    guard let page = take() else { return nil }
    var tokens: [TokenID] = Array(repeating: 0, count: Self.pageTokens)
    var span = tokens.mutableSpan
    var bytes = unsafe span.mutableBytes
    guard fill(&bytes) else {
      release(page)
      return nil
    }
    contents[page] = tokens
    return page
  }

  func withBytes(of page: Int, _ body: (RawSpan) -> Void) {
    let tokens = contents[page]
    unsafe body(tokens.span.bytes)
  }

  func retain(_ page: Int) {
    precondition(holders[page] > 0)
    holders[page] += 1
  }

  func release(_ page: Int) {
    precondition(holders[page] > 0)
    holders[page] -= 1
    if holders[page] == 0 {
      contents[page] = []
      freePageCount += 1
    }
  }

  func take() -> Int? {
    guard let page = holders.firstIndex(of: 0) else { return nil }
    holders[page] = 1
    freePageCount -= 1
    return page
  }

  func append(_ token: TokenID, to page: Int) {
    precondition(holders[page] == 1 && contents[page].count < Self.pageTokens)
    contents[page].append(token)
  }

  func cut(_ page: Int, to count: Int) {
    if contents[page].count > count {
      precondition(holders[page] == 1)
      contents[page].removeSubrange(count...)
    }
  }

  func tokens(of page: Int) -> [TokenID] { contents[page] }
}

/// The tokens of one sequence, in pages.
final class ScriptedCache: SequenceCache {
  private(set) var length: Int
  private(set) var pages: [Int]
  private let pool: ScriptedPool

  struct Full: Error {}

  init(_ pool: ScriptedPool, pages: [Int]) {
    self.pool = pool
    self.pages = pages
    length = pages.count * ScriptedPool.pageTokens
  }

  deinit { for page in pages { pool.release(page) } }

  var pageCount: Int { pages.count }
  var tokens: [TokenID] { pages.flatMap(pool.tokens) }

  func reserve(_ count: Int) throws {
    let needed = (length + count + ScriptedPool.pageTokens - 1) / ScriptedPool.pageTokens
    guard needed - pages.count <= pool.freePageCount else { throw Full() }
    while pages.count < needed, let page = pool.take() { pages.append(page) }
  }

  func truncate(to length: Int) {
    self.length = length
    let needed = (length + ScriptedPool.pageTokens - 1) / ScriptedPool.pageTokens
    while pages.count > needed { pool.release(pages.removeLast()) }
    if let last = pages.last { pool.cut(last, to: length - (needed - 1) * ScriptedPool.pageTokens) }
  }

  func append(_ tokens: some Sequence<TokenID>) {
    for token in tokens {
      pool.append(token, to: pages[length / ScriptedPool.pageTokens])
      length += 1
    }
  }
}
