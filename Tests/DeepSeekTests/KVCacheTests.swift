import DeepSeek
import Experts
import Kernels
import Tensors
import TestSupport
import Testing

/// Pages: who has them, what is shared, and what happens when there are no more.
@Suite("Paged cache")
struct KVCacheTests {
  static let path = Fixtures.path("models/v2-lite-like")
  static let tokens: [Int32] = (0..<200).map { Int32($0 * 29 % 101) }

  private func loaded(_ format: KVFormat = .float32) throws -> LoadedModel {
    try LoadedModel(Self.path, maxStepRows: 200, kvFormat: format)
  }

  @Test("a sequence takes a page for every 64 positions and gives them back")
  func pagesAreTakenAndReleased() throws {
    let loaded = try loaded()
    let pool = try loaded.model.makePool(pageCount: 5)
    #expect(pool.pageCount == 5 && pool.freePageCount == 5)
    do {
      let cache = try loaded.model.makeCache(capacity: 320, pool: pool)
      _ = try loaded.run([(Array(Self.tokens[..<64]), cache)])
      #expect(pool.freePageCount == 4 && cache.pages.count == 1)
      _ = try loaded.run([(Array(Self.tokens[64..<65]), cache)])
      #expect(pool.freePageCount == 3 && cache.pages.count == 2)
      _ = try loaded.run([(Array(Self.tokens[65..<200]), cache)])
      #expect(pool.freePageCount == 1 && cache.length == 200)
      cache.truncate(to: 129)
      #expect(pool.freePageCount == 2)
      cache.truncate(to: 128)
      #expect(pool.freePageCount == 3)
      cache.truncate(to: 0)
      #expect(pool.freePageCount == 5)
      try cache.reserve(65)
      #expect(pool.freePageCount == 3)
    }
    #expect(pool.freePageCount == 5)
  }

  @Test("a pool takes what it is given, and no more", arguments: KVFormat.allCases)
  func poolSize(format: KVFormat) throws {
    let loaded = try loaded(format)
    let page = try loaded.model.makePool(pageCount: 1).bytesPerToken * KVPool.pageTokens
    #expect(try loaded.model.makePool(byteCount: 3 * page + page / 2).pageCount == 3)
    #expect(throws: ModelError.self) { try loaded.model.makePool(byteCount: page - 1) }
    #expect(throws: ModelError.self) { try loaded.model.makePool(byteCount: .max) }
  }

  @Test("a step that finds no page leaves every sequence and the pool as they were")
  func exhaustion() throws {
    let loaded = try loaded()
    let pool = try loaded.model.makePool(pageCount: 3)
    let first = try loaded.model.makeCache(capacity: 500, pool: pool)
    let second = try loaded.model.makeCache(capacity: 500, pool: pool)
    let start = try loaded.run([(Array(Self.tokens[..<60]), first)])
    #expect(throws: ModelError.outOfPages(needed: 2, free: 1)) {
      try loaded.run([(Array(Self.tokens[60..<70]), first), (Array(Self.tokens[..<65]), second)])
    }
    #expect(first.length == 60 && second.length == 0 && pool.freePageCount == 2)
    #expect(throws: ModelError.outOfPages(needed: 3, free: 2)) { try first.reserve(190) }
    #expect(throws: ModelError.cacheFull(capacity: 500)) { try first.reserve(441) }
    #expect(pool.freePageCount == 2)
    let end = try loaded.run([(Array(Self.tokens[60..<190]), first)])
    #expect(pool.freePageCount == 0)
    #expect(bits(start + end) == bits(try loaded.logits(Array(Self.tokens[..<190]), chunk: 190)))
    #expect(
      "\(ModelError.outOfPages(needed: 2, free: 1))"
        == "the cache of keys and values has 1 free pages where 2 are needed; "
        + "raise its memory, or run fewer or shorter sequences")
  }

  @Test("a failing backend gives reserved pages back")
  func failingBackend() throws {
    struct Lost: Error {}
    final class Failing: ExpertBackend {
      let geometry: ExpertGeometry
      init(_ geometry: ExpertGeometry) { self.geometry = geometry }
      func dispatch(
        _ batch: borrowing RoutedBatch, layer: LayerIndex
      ) throws -> DispatchTicket { throw Lost() }
      func combine(_ ticket: DispatchTicket, into sum: inout FloatMatrix) throws {}
    }
    let loaded = try loaded()
    let pool = try loaded.model.makePool(pageCount: 3)
    let cache = try loaded.model.makeCache(capacity: 100, pool: pool)
    var step = StepBatch()
    step.append(Array(Self.tokens[..<70]).span, to: cache, wanted: .none)
    var logits = FloatMatrix(rows: 1, columns: loaded.vocabularySize)
    let catalog = try #require(loaded.model.catalog)
    #expect(throws: Lost.self) {
      try loaded.model.forward(step, experts: Failing(catalog.geometry), logits: &logits)
    }
    #expect(cache.length == 0 && pool.freePageCount == 3)
    try cache.reserve(10)
    #expect(throws: Lost.self) {
      try loaded.model.forward(step, experts: Failing(catalog.geometry), logits: &logits)
    }
    #expect(pool.freePageCount == 2, "what was reserved before the step stays")
  }

  @Test(
    "a sequence that shares a beginning continues like one that computed it",
    arguments: KVFormat.allCases)
  func sharing(format: KVFormat) throws {
    let loaded = try loaded(format)
    let expected = bits(try loaded.logits(Self.tokens, chunk: 200))
    let pool = try loaded.model.makePool(pageCount: 8)
    var first: KVCache? = try loaded.model.makeCache(capacity: 300, pool: pool)
    _ = try loaded.run([(Array(Self.tokens[..<150]), try #require(first))])
    let shared = Array(try #require(first).pages.prefix(2))
    let second = KVCache(pool, sharing: shared, capacity: 300)
    #expect(second.length == 128 && second.pages == shared && pool.freePageCount == 5)
    #expect(shared.map(pool.references(to:)) == [2, 2])

    first = nil  // its pages live on where they are shared
    #expect(shared.map(pool.references(to:)) == [1, 1] && pool.freePageCount == 6)
    // Somebody else overwrites what was released.
    let other = try loaded.model.makeCache(capacity: 300, pool: pool)
    _ = try loaded.run([(Array(Self.tokens.reversed()[..<64]), other)])
    let end = try loaded.run([(Array(Self.tokens[128...]), second)])
    #expect(bits(end) == Array(expected.suffix(end.count)))
  }

  @Test(
    "nobody writes to a shared page: whoever grows into one gets a copy",
    arguments: KVFormat.allCases)
  func copies(format: KVFormat) throws {
    let loaded = try loaded(format)
    let expected = bits(try loaded.logits(Self.tokens, chunk: 200))
    let pool = try loaded.model.makePool(pageCount: 4)
    let first = try loaded.model.makeCache(capacity: 128, pool: pool)
    let start = try loaded.run([(Array(Self.tokens[..<128]), first)])
    let second = KVCache(pool, sharing: first.pages, capacity: 128)
    second.truncate(to: 100)
    _ = try loaded.run([(Array(Self.tokens.reversed()[..<28]), second)])
    #expect(second.pages[0] == first.pages[0] && second.pages[1] != first.pages[1])
    #expect(first.pages.map(pool.references(to:)) == [2, 1] && pool.freePageCount == 1)

    first.truncate(to: 100)
    let end = try loaded.run([(Array(Self.tokens[100..<128]), first)])
    let vocabulary = loaded.vocabularySize
    #expect(bits(start) == Array(expected[..<(128 * vocabulary)]))
    #expect(bits(end) == Array(expected[(100 * vocabulary)..<(128 * vocabulary)]))

    // Without a free page there is no copy, and then nothing changes.
    let third = KVCache(pool, sharing: second.pages, capacity: 128)
    third.truncate(to: 127)
    try first.reserve(0)
    let last = try loaded.model.makeCache(capacity: 64, pool: pool)
    try last.reserve(64)
    #expect(throws: ModelError.outOfPages(needed: 1, free: 0)) {
      try loaded.run([([1], third)])
    }
    #expect(third.length == 127 && third.pages == second.pages)
  }

  @Test("what a former owner left is erased", arguments: KVFormat.allCases)
  func reuse(format: KVFormat) throws {
    let loaded = try loaded(format)
    let expected = bits(try loaded.logits(Array(Self.tokens[..<70]), chunk: 70))
    let pool = try loaded.model.makePool(pageCount: 2)
    for _ in 0..<3 {
      let other = try loaded.model.makeCache(capacity: 128, pool: pool)
      _ = try loaded.run([(Array(Self.tokens.reversed()[..<128]), other)])
    }
    let cache = try loaded.model.makeCache(capacity: 128, pool: pool)
    #expect(bits(try loaded.run([(Array(Self.tokens[..<70]), cache)])) == expected)
  }
}
