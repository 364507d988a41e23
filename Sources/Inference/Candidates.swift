/// The tokens still in play for one draw, and the buffers that hold them.
///
/// One workspace serves every request of an engine in turn; nothing is allocated after `init`. Its
/// size is about 24 bytes per entry of the vocabulary.
public struct SamplerWorkspace: ~Copyable, Sendable {
  var logits: [Float]  // (vocabulary): the copy that bias and penalties change
  var weights: [Double]  // (vocabulary) or (kept): what the draw compares
  var kept: [Candidate] = []  // most probable first, at most the vocabulary
  var heap: [Candidate] = []
  var places: [Int32]  // (buckets): where the next candidate of a bucket goes

  /// Allocates for `vocabularySize` logits.
  public init(vocabularySize: Int) {
    logits = Array(repeating: 0, count: vocabularySize)
    weights = Array(repeating: 0, count: vocabularySize)
    places = Array(repeating: 0, count: Self.bucketCount)
    kept.reserveCapacity(vocabularySize)
    heap.reserveCapacity(vocabularySize)
  }
}

/// A token with its logit, ordered by rank: higher logit first, lower id on ties.
struct Candidate: Sendable {
  let logit: Float
  let id: Int32

  /// Whether this one is preferred.
  @inline(__always)
  func outranks(_ other: Candidate) -> Bool {
    logit > other.logit || (logit == other.logit && id < other.id)
  }
}

extension SamplerWorkspace {
  /// Copies the logits; what is not a number becomes minus infinity.
  mutating func copy(_ source: Span<Float>) {
    precondition(logits.count == source.count)
    var copy = logits.mutableSpan
    for id in source.indices {
      let logit = source[id]
      copy[id] = logit.isNaN ? -.infinity : min(logit, .greatestFiniteMagnitude)
    }
  }

  /// Gives every token that is not in `mask` the logit minus infinity.
  mutating func exclude(allBut mask: TokenMask) {
    precondition(mask.count == logits.count)
    var logits = logits.mutableSpan
    for (index, word) in mask.words.enumerated() where word != .max {
      for id in index * 64..<min(index * 64 + 64, mask.count)
      where word >> UInt64(id & 63) & 1 == 0 { logits[id] = -.infinity }
    }
  }

  /// Fills `kept` with the `count` highest-ranking tokens, best first.
  ///
  /// Keeps a heap of the best so far with the worst of them on top; a typical token costs one
  /// comparison.
  mutating func keepTop(_ count: Int, of tokens: SampleableTokens) {
    heap.removeAll(keepingCapacity: true)
    for range in tokens.ranges {
      for id in range {
        let candidate = Candidate(logit: logits[id], id: Int32(truncatingIfNeeded: id))
        if heap.count < count {
          heap.append(candidate)
          if heap.count == count { heap.heapify { $1.outranks($0) } }
        } else if candidate.logit > heap[0].logit {
          heap[0] = candidate
          heap.siftDown(from: 0, count: count) { $1.outranks($0) }
        }
      }
    }
    if heap.count < count { heap.heapify { $1.outranks($0) } }
    // Taking the worst away to the end, again and again, leaves the best in front.
    for last in stride(from: heap.count - 1, to: 0, by: -1) {
      heap.swapAt(0, last)
      heap.siftDown(from: 0, count: last) { $1.outranks($0) }
    }
    swap(&heap, &kept)
  }

  /// Shortens `kept` to the fewest first tokens whose probabilities among `kept` reach `sum`.
  mutating func shortenToNucleus(_ sum: Float, peak: Float) {
    var total = 0.0
    for candidate in kept { total += weight(of: candidate.logit, peak: peak) }
    var reached = 0.0
    for (index, candidate) in kept.enumerated() {
      reached += weight(of: candidate.logit, peak: peak)
      if reached >= Double(sum) * total {
        kept.removeSubrange((index + 1)...)
        return
      }
    }
  }

  /// Fills `kept` with the fewest highest-ranking tokens whose probabilities reach `sum`.
  ///
  /// Tokens with less than half of (1 - sum) / vocabulary cannot be among them, so only the others
  /// (a few hundred of 100,000 as a rule) are put into order.
  mutating func keepNucleus(_ sum: Float, of tokens: SampleableTokens, peak: Float) {
    let total = weigh(tokens, peak: peak)
    let needed = Double(sum) * total
    let cutoff = (total - needed) * 0.5 / Double(tokens.vocabularySize)
    heap.removeAll(keepingCapacity: true)
    for range in tokens.ranges {
      for id in range where weights[id] >= cutoff && logits[id] > -.infinity {
        heap.append(Candidate(logit: logits[id], id: Int32(truncatingIfNeeded: id)))
      }
    }
    if heap.count <= Self.fewCandidates {
      takeBest(needed: needed)
    } else {
      takeBestByBuckets(needed: needed, peak: peak)
    }
  }

  /// Moves the best of `heap` to `kept`, one by one, until their weights reach `needed`.
  private mutating func takeBest(needed: Double) {
    heap.heapify { $0.outranks($1) }
    kept.removeAll(keepingCapacity: true)
    var reached = 0.0
    while let best = heap.first {
      kept.append(best)
      reached += weights[Int(best.id)]
      if reached >= needed { break }
      let last = heap.removeLast()
      if heap.isEmpty { break }
      heap[0] = last
      heap.siftDown(from: 0, count: heap.count) { $0.outranks($1) }
    }
  }

  private static let fewCandidates = 1024
  private static let bucketCount = 1 << 15

  /// The same for many candidates: they are spread over buckets by their distance from the peak, and
  /// buckets are sorted as far as they are needed.
  private mutating func takeBestByBuckets(needed: Double, peak: Float) {
    let lowest = heap.reduce(peak) { min($0, $1.logit) }
    let scale = Float(Self.bucketCount - 1) / max(peak - lowest, .leastNormalMagnitude)
    func bucket(_ candidate: Candidate) -> Int {
      min(Int((peak - candidate.logit) * scale), Self.bucketCount - 1)
    }
    for index in places.indices { places[index] = 0 }
    for candidate in heap { places[bucket(candidate)] += 1 }
    var next: Int32 = 0
    for index in places.indices {
      let count = places[index]
      places[index] = next
      next += count
    }
    kept.removeAll(keepingCapacity: true)
    kept.append(contentsOf: heap)
    for candidate in heap {
      let bucket = bucket(candidate)
      kept[Int(places[bucket])] = candidate
      places[bucket] += 1
    }
    var reached = 0.0
    var start = 0
    for end in places {  // where the next candidate would go is where the bucket ends
      kept.sortByRank(start..<Int(end))
      for index in start..<Int(end) {
        reached += weights[Int(kept[index].id)]
        if reached >= needed { return kept.removeSubrange((index + 1)...) }
      }
      start = Int(end)
    }
  }

  /// Fills `weights` for all tokens: e to the power of (logit - peak) · sharpness, 0 below `minimum`.
  ///
  /// - Returns: The sum, added in the order of ids.
  mutating func weigh(
    _ tokens: SampleableTokens, peak: Float, sharpness: Double = 1,
    minimum: Float = -.infinity
  ) -> Double {
    var total = 0.0
    for range in tokens.ranges {
      Self.weigh(range, of: logits, into: &weights) { logit in
        let weight = exponential((Double(logit) - Double(peak)) * sharpness)
        return logit >= minimum ? weight : 0
      }
      for id in range { total += weights[id] }
    }
    return total
  }

  /// Unchecked within the loop, so that the processor takes several at a time.
  @inline(__always)
  private static func weigh(
    _ range: Range<Int>, of logits: [Float], into weights: inout [Double],
    _ weight: (Float) -> Double
  ) {
    let source = logits.span
    var target = weights.mutableSpan
    precondition(range.lowerBound >= 0 && range.upperBound <= min(source.count, target.count))
    for id in range { unsafe target[unchecked: id] = weight(source[unchecked: id]) }
  }

  /// Drops the tokens of `kept` below `minimum`; at least one stays.
  mutating func dropBelow(_ minimum: Float) {
    while kept.count > 1, let last = kept.last, last.logit < minimum { kept.removeLast() }
  }

  @inline(__always)
  private func weight(of logit: Float, peak: Float) -> Double {
    exponential(Double(logit) - Double(peak))
  }
}

extension [Candidate] {
  /// Puts neighbours, a few as a rule, into the order of their ranks.
  fileprivate mutating func sortByRank(_ range: Range<Int>) {
    guard range.count <= 32 else { return self[range].sort { $0.outranks($1) } }
    for index in range.dropFirst() {
      let candidate = self[index]
      var place = index
      while place > range.lowerBound, candidate.outranks(self[place - 1]) {
        self[place] = self[place - 1]
        place -= 1
      }
      self[place] = candidate
    }
  }

  /// Arranges all elements as a heap whose first element precedes all others.
  fileprivate mutating func heapify(by precedes: (Candidate, Candidate) -> Bool) {
    for parent in stride(from: count / 2 - 1, through: 0, by: -1) {
      siftDown(from: parent, count: count, by: precedes)
    }
  }

  /// Restores the heap of the first `count` elements below `start`.
  @inline(__always)
  fileprivate mutating func siftDown(
    from start: Int, count: Int, by precedes: (Candidate, Candidate) -> Bool
  ) {
    var parent = start
    while true {
      var child = 2 * parent + 1
      guard child < count else { return }
      if child + 1 < count, precedes(self[child + 1], self[child]) { child += 1 }
      guard precedes(self[child], self[parent]) else { return }
      swapAt(parent, child)
      parent = child
    }
  }
}
