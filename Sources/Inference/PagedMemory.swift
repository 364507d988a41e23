import Tokenization

/// The caches of the engine's sequences, in one pool of pages, and the prefixes that outlive them.
final class PagedMemory<Pool: CachePool>: SequenceMemory {
  typealias Active = ActiveSequence<Pool.Cache>

  /// Every sequence that has been accepted and is not over.
  var sequences: [SequenceID: Active] = [:]
  private let pool: Pool
  private var prefixes: PrefixTree<Pool.Page>
  private let keepsPrefixes: Bool
  private let store: PrefixStore?

  init(_ pool: Pool, keepsPrefixes: Bool, store: PrefixStore? = nil) {
    self.pool = pool
    self.keepsPrefixes = keepsPrefixes
    self.store = store
    prefixes = PrefixTree(pageSize: Pool.pageTokens)
  }

  var pageSize: Int { Pool.pageTokens }
  var pageCount: Int { pool.pageCount }
  var availablePages: Int { pool.freePageCount + prefixes.unusedCount }
  /// Pages that only the prefix cache holds.
  var idlePrefixPages: Int { prefixes.unusedCount }
  /// Pages of prefixes on disk.
  var storedPrefixPages: Int { store?.pageCount ?? 0 }
  /// Pages that came back from there.
  var loadedPrefixPages: Int { store?.loadedCount ?? 0 }

  func begin(_ id: SequenceID, sharing leader: SequenceID?) -> Int {
    guard let sequence = sequences[id] else { return 0 }
    // The last token is always run: its logits are wanted.
    let limit = (sequence.state.tokens.count - 1) / pageSize
    var pages: [Pool.Page] = []
    if keepsPrefixes {
      sequence.path = prefixes.match(
        sequence.state.tokens, tenant: sequence.submission.request.tenant, limit: limit)
      for node in sequence.path { prefixes.pin(node) }
      fetch(sequence, limit: limit)
      pages = sequence.path.compactMap(prefixes.page)
    }
    if let leader = leader.flatMap({ sequences[$0] }), let cache = leader.cache {
      let common = min(limit, min(cache.length, leader.state.promptCount) / pageSize)
      if common > pages.count { pages += cache.pages[pages.count..<common] }
    }
    let cache = pages.isEmpty ? pool.makeCache() : pool.makeCache(sharing: pages)
    sequence.cache = cache
    return cache.length
  }

  /// Reads the blocks that follow those in memory from disk, while there are any and room for them.
  private func fetch(_ sequence: Active, limit: Int) {
    guard let store else { return }
    while sequence.path.count < limit {
      let key = nextKey(of: sequence)
      guard store.holds(key) else { return }
      makeFree(1)
      guard let page = pool.takePage(filling: { store.load(key, into: &$0) }) else { return }
      // The reference is the tree's.
      sequence.path.append(prefixes.insert(key, page: page, after: sequence.path.last).node)
    }
  }

  /// The key of the first block that is not in a sequence's path.
  private func nextKey(of sequence: Active) -> PrefixKey {
    let start = sequence.path.count * pageSize
    return prefixes.key(
      sequence.state.tokens, start..<start + pageSize, after: sequence.path.last,
      tenant: sequence.submission.request.tenant)
  }

  func pageCount(of id: SequenceID) -> Int { sequences[id]?.cache?.pageCount ?? 0 }

  func reserve(_ id: SequenceID, upTo count: Int) -> Int {
    guard let cache = sequences[id]?.cache else { return 0 }
    let held = cache.pageCount
    let needed = max(0, (cache.length + count + pageSize - 1) / pageSize - held)
    makeFree(needed)
    let granted = min(count, (held + pool.freePageCount) * pageSize - cache.length)
    guard granted > 0 else { return 0 }
    do { try cache.reserve(granted) } catch { return 0 }
    return granted
  }

  func release(_ id: SequenceID) {
    guard let sequence = sequences[id] else { return }
    publishRest(of: sequence)
    sequence.cache?.truncate(to: 0)
    sequence.cache = nil
    prefixes.unpin(sequence.path)
    sequence.path = []
    sequence.hasTwin = false
  }

  /// Makes the full pages of a sequence known to those that will start like it.
  ///
  /// Where another sequence has computed the same block at the same time, it stops: keeping that
  /// one's page as well would hold twice the memory that the sequence has been admitted for.
  func publish(_ sequence: Active) {
    guard keepsPrefixes, !sequence.hasTwin, let cache = sequence.cache,
      sequence.path.count < cache.length / pageSize
    else { return }
    let pages = cache.pages
    while sequence.path.count < cache.length / pageSize {
      let (node, isNew) = insertNext(of: sequence, pages)
      guard isNew else {
        prefixes.unpin([node])
        sequence.hasTwin = true
        return
      }
      sequence.path.append(node)
    }
  }

  /// The pages behind a block of which another sequence had one; its own go now.
  private func publishRest(of sequence: Active) {
    guard keepsPrefixes, sequence.hasTwin, let cache = sequence.cache else { return }
    let pages = cache.pages
    while sequence.path.count < cache.length / pageSize {
      sequence.path.append(insertNext(of: sequence, pages).node)
    }
  }

  private func insertNext(
    of sequence: Active, _ pages: [Pool.Page]
  ) -> (node: PrefixNodeID, isNew: Bool) {
    let page = pages[sequence.path.count]
    let inserted = prefixes.insert(
      nextKey(of: sequence), page: page, after: sequence.path.last)
    if inserted.isNew { pool.retain(page) }
    return inserted
  }

  /// Takes the prefixes that have been unused for longest out of memory until `count` pages are free.
  private func makeFree(_ count: Int) {
    while pool.freePageCount < count, let (page, key) = prefixes.dropOldest() {
      if let store { pool.withBytes(of: page) { store.keep(key, $0) } }
      pool.release(page)
    }
  }
}
