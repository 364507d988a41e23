/// Turns pieces of text into tokens by joining neighbours, lowest merge rank first.
struct BytePairEncoder: Sendable {
  /// Pieces up to this many bytes look for the best pair by a walk, longer ones with a heap.
  private static let longestWalk = 48
  private static let noRank = Int32.max

  private let byteTokens: [TokenID]  // (256): -1 where the vocabulary lacks the byte
  private let ranks: IntegerTable  // left << 32 | right → rank
  private let merged: [TokenID]  // (merges)

  /// The encoder of a vocabulary.
  init(_ vocabulary: Vocabulary) {
    byteTokens = (0...255).map { vocabulary.id(of: ByteAlphabet.text(of: $0)) ?? -1 }
    var ranks = IntegerTable(capacity: vocabulary.merges.count)
    for (rank, merge) in vocabulary.merges.enumerated() {
      _ = ranks.insert(Self.key(merge.left, merge.right), Int32(truncatingIfNeeded: rank))
    }
    self.ranks = ranks
    merged = vocabulary.merges.map(\.merged)
  }

  /// Adds the tokens of one piece; bytes without a token are left out.
  func encode(_ piece: ArraySlice<UInt8>, with scratch: inout Scratch, into ids: inout [TokenID]) {
    scratch.symbols.removeAll(keepingCapacity: true)
    for byte in piece { scratch.symbols.append(byteTokens[Int(byte)]) }
    scratch.ranks.removeAll(keepingCapacity: true)
    var index = 1
    while index < scratch.symbols.count {
      scratch.ranks.append(rank(scratch.symbols[index - 1], scratch.symbols[index]))
      index += 1
    }
    if scratch.symbols.count <= Self.longestWalk {
      mergeWalking(&scratch)
    } else {
      mergeWithHeap(&scratch)
    }
    for symbol in scratch.symbols where symbol >= 0 { ids.append(symbol) }
  }

  /// Space for the symbols of a piece, kept from piece to piece.
  struct Scratch {
    fileprivate var symbols: [TokenID] = []
    fileprivate var ranks: [Int32] = []  // of symbol i with the one after it
    fileprivate var next: [Int32] = []
    fileprivate var previous: [Int32] = []
    fileprivate var heap = RankHeap()

    init() {}
  }

  private func mergeWalking(_ scratch: inout Scratch) {
    while true {
      var best = Self.noRank
      var place = 0
      var index = 0
      while index < scratch.ranks.count {
        if scratch.ranks[index] < best { (best, place) = (scratch.ranks[index], index) }
        index += 1
      }
      guard best != Self.noRank else { return }
      scratch.symbols[place] = merged[Int(best)]
      scratch.closeGap(after: place)
      if place < scratch.ranks.count {
        scratch.ranks[place] = rank(scratch.symbols[place], scratch.symbols[place + 1])
      }
      if place > 0 {
        scratch.ranks[place - 1] = rank(scratch.symbols[place - 1], scratch.symbols[place])
      }
    }
  }

  /// The same result in O(n log n): symbols in a linked list, pairs in a heap by rank, then place.
  private func mergeWithHeap(_ scratch: inout Scratch) {
    let count = scratch.symbols.count
    scratch.link(count)
    scratch.ranks.append(Self.noRank)
    scratch.heap.fill(scratch.ranks)
    while let (rank, place) = scratch.heap.popSmallest() {
      // An entry is stale when its pair has changed since.
      guard scratch.ranks[place] == rank else { continue }
      let right = Int(scratch.next[place])
      let after = Int(scratch.next[right])
      scratch.symbols[place] = merged[Int(rank)]
      scratch.symbols[right] = -1
      scratch.ranks[right] = Self.noRank
      scratch.next[place] = Int32(truncatingIfNeeded: after)
      if after < count { scratch.previous[after] = Int32(truncatingIfNeeded: place) }
      update(place, after, count, &scratch)
      let before = Int(scratch.previous[place])
      if before >= 0 { update(before, place, count, &scratch) }
    }
  }

  private func update(_ left: Int, _ right: Int, _ count: Int, _ scratch: inout Scratch) {
    let rank = right < count ? rank(scratch.symbols[left], scratch.symbols[right]) : Self.noRank
    scratch.ranks[left] = rank
    if rank != Self.noRank { scratch.heap.push(rank, left) }
  }

  @inline(__always)
  private func rank(_ left: TokenID, _ right: TokenID) -> Int32 {
    guard left | right >= 0 else { return Self.noRank }
    return ranks[Self.key(left, right)] ?? Self.noRank
  }

  private static func key(_ left: TokenID, _ right: TokenID) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }
}

extension BytePairEncoder.Scratch {
  /// Takes out the symbol after `place` and the rank between the two.
  @inline(__always)
  fileprivate mutating func closeGap(after place: Int) {
    var index = place + 2
    while index < symbols.count {
      symbols[index - 1] = symbols[index]
      ranks[index - 2] = ranks[index - 1]
      index += 1
    }
    symbols.removeLast()
    ranks.removeLast()
  }

  /// Links `count` symbols to their neighbours: -1 before the first, `count` after the last.
  fileprivate mutating func link(_ count: Int) {
    next.removeAll(keepingCapacity: true)
    previous.removeAll(keepingCapacity: true)
    for index in 0..<count {
      next.append(Int32(truncatingIfNeeded: index + 1))
      previous.append(Int32(truncatingIfNeeded: index - 1))
    }
  }
}
