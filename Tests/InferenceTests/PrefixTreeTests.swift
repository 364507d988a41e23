import Inference
import Testing
import Tokenization

@Suite struct PrefixTreeTests {
  private var tree = PrefixTree<Int>(pageSize: 2)

  /// Inserts the whole blocks of a sequence; page numbers count up from `page`.
  private mutating func insert(
    _ tokens: [TokenID], tenant: String? = nil, page: Int
  ) -> [PrefixNodeID] {
    var path: [PrefixNodeID] = []
    for block in 0..<tokens.count / 2 {
      let key = tree.key(tokens, 2 * block..<2 * block + 2, after: path.last, tenant: tenant)
      path.append(tree.insert(key, page: page + block, after: path.last).node)
    }
    return path
  }

  private func pages(_ tokens: [TokenID], tenant: String? = nil, limit: Int = 99) -> [Int?] {
    tree.match(tokens, tenant: tenant, limit: min(limit, tokens.count / 2)).map(tree.page)
  }

  @Test mutating func theLongestKnownBeginningIsFound() {
    _ = insert([1, 2, 3, 4, 5, 6], page: 10)
    #expect(pages([1, 2, 3, 4, 5, 6, 7]) == [10, 11, 12])
    #expect(pages([1, 2, 3, 4, 9, 6]) == [10, 11])
    #expect(pages([1, 2, 3, 4, 5, 6], limit: 2) == [10, 11])
    #expect(pages([3, 4, 5, 6]) == [])
    #expect(pages([1]) == [])
  }

  @Test mutating func tenantsSeeTheirOwnOnly() {
    _ = insert([1, 2, 3, 4], tenant: "a", page: 10)
    #expect(pages([1, 2, 3, 4], tenant: "b") == [])
    #expect(pages([1, 2, 3, 4]) == [])
    _ = insert([1, 2, 3, 4], tenant: "b", page: 20)
    #expect(pages([1, 2, 3, 4], tenant: "a") == [10, 11])
    #expect(pages([1, 2, 3, 4], tenant: "b") == [20, 21])
  }

  @Test mutating func aBlockIsKeptOnce() {
    let first = insert([1, 2, 3, 4], page: 10)
    let second = insert([1, 2, 3, 4, 5, 6], page: 20)
    #expect(Array(second.prefix(2)) == first)
    #expect(pages([1, 2, 3, 4, 5, 6]) == [10, 11, 22])
    #expect(tree.pageCount == 3)
  }

  @Test mutating func whatIsInUseStays() {
    let path = insert([1, 2, 3, 4], page: 10)
    let none = tree.dropOldest()?.page
    #expect(tree.unusedCount == 0 && none == nil)
    tree.unpin(path)
    #expect(tree.unusedCount == 2)
    tree.pin(path[0])
    #expect(tree.unusedCount == 1)
    let dropped = [tree.dropOldest()?.page, tree.dropOldest()?.page]
    #expect(dropped == [11, nil])
    #expect(pages([1, 2, 3, 4]) == [10])
  }

  @Test mutating func theLongestUnusedGoesFirstAndLeavesBeforeWhatIsAbove() {
    let a = insert([1, 2, 3, 4], page: 10)
    let b = insert([1, 2, 5, 6], page: 20)  // its first block is a's
    let c = insert([7, 8], tenant: "t", page: 30)
    tree.unpin(b)
    tree.unpin(c)
    tree.unpin(a)
    var dropped: [Int] = []
    while let page = tree.dropOldest()?.page { dropped.append(page) }
    #expect(dropped == [21, 30, 11, 10])
    #expect(tree.pageCount == 0 && tree.unusedCount == 0)
    #expect(pages([7, 8], tenant: "t") == [])
  }

  @Test mutating func usingAPrefixMakesItYoung() {
    let a = insert([1, 2, 3, 4], page: 10)
    tree.unpin(a)
    let b = insert([5, 6], page: 20)
    tree.unpin(b)
    tree.pin(a[0])
    tree.unpin([a[0]])
    let dropped = [0, 1, 2].map { _ in tree.dropOldest()?.page }
    #expect(dropped == [11, 20, 10])
  }

  @Test(arguments: 0..<20)
  mutating func itAgreesWithAPlainDictionary(seed: Int) {
    var random = RandomGenerator(seed: UInt64(seed))
    var known: Set<[TokenID]> = []  // tenant, then the tokens of a prefix
    var pinned: [(key: [TokenID], path: [PrefixNodeID], tokens: [TokenID])] = []
    for step in 0..<300 {
      switch Int.random(in: 0..<3, using: &random) {
      case 0:
        let tenant = TokenID.random(in: 0..<2, using: &random)
        let tokens = (0..<8).map { _ in TokenID.random(in: 0..<2, using: &random) }
        let path = insert(tokens, tenant: "\(tenant)", page: step)
        pinned.append(([tenant], path, tokens))
        for length in [2, 4, 6, 8] { known.insert([tenant] + tokens.prefix(length)) }
      case 1:
        if !pinned.isEmpty {
          tree.unpin(pinned.remove(at: Int.random(in: pinned.indices, using: &random)).path)
        }
      default:
        if tree.dropOldest() != nil {
          // Which one it was follows from what is found no more.
          let lost = known.filter { key in
            pages(Array(key.dropFirst()), tenant: "\(key[0])").count < (key.count - 1) / 2
          }
          #expect(lost.count == 1, "seed \(seed)")
          known.subtract(lost)
        }
      }
      #expect(tree.pageCount == known.count)
      for (tenant, _, tokens) in pinned {
        #expect(pages(tokens, tenant: "\(tenant[0])").count == 4, "seed \(seed): in use")
      }
      let used = Set(
        pinned.flatMap { entry in [2, 4, 6, 8].map { entry.key + entry.tokens.prefix($0) } })
      #expect(tree.unusedCount == known.count - used.count)
    }
  }
}
