/// Places ordered by merge rank, then from left to right: a binary heap.
struct RankHeap {
  private var entries: [UInt64] = []  // rank << 32 | place

  /// Starts over with the places whose rank is below `Int32.max`.
  mutating func fill(_ ranks: [Int32]) {
    entries.removeAll(keepingCapacity: true)
    for (place, rank) in ranks.enumerated() where rank != .max {
      entries.append(Self.entry(rank, place))
    }
    var parent = entries.count / 2
    while parent > 0 {
      parent -= 1
      sink(parent)
    }
  }

  /// Adds a place.
  mutating func push(_ rank: Int32, _ place: Int) {
    var index = entries.count
    entries.append(Self.entry(rank, place))
    while index > 0 {
      let parent = (index - 1) / 2
      guard entries[index] < entries[parent] else { return }
      entries.swapAt(index, parent)
      index = parent
    }
  }

  /// Takes out the place of lowest rank, the leftmost of equals.
  mutating func popSmallest() -> (rank: Int32, place: Int)? {
    guard let smallest = entries.first, let last = entries.popLast() else { return nil }
    if !entries.isEmpty {
      entries[0] = last
      sink(0)
    }
    return (Int32(truncatingIfNeeded: smallest >> 32), Int(smallest & 0xFFFF_FFFF))
  }

  private mutating func sink(_ start: Int) {
    var parent = start
    while true {
      var child = 2 * parent + 1
      guard child < entries.count else { return }
      if child + 1 < entries.count, entries[child + 1] < entries[child] { child += 1 }
      guard entries[child] < entries[parent] else { return }
      entries.swapAt(child, parent)
      parent = child
    }
  }

  private static func entry(_ rank: Int32, _ place: Int) -> UInt64 {
    UInt64(UInt32(bitPattern: rank)) << 32 | UInt64(UInt32(truncatingIfNeeded: place))
  }
}
