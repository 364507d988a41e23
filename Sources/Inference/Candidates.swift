public import Kernels

/// The tokens still in play for one draw, and the buffers that hold them.
///
/// Nothing is sorted as a whole. Where the running sum of weights, best token first, reaches a value
/// is found in two steps: weights are added up in buckets of logits, then the tokens of the bucket
/// in which it happens are put into order. Top-k, top-p and the draw all work like that. Weights are
/// integers (`LogitKernels`): the exponential in float32, to within 2^-39 of the highest token's.
///
/// One workspace serves every request of an engine in turn; nothing is allocated after `init`. It
/// takes about 4 bytes per entry of the vocabulary.
public struct SamplerWorkspace: ~Copyable, Sendable {
  /// The copy that bias, penalties and limits change; a token that is out has minus infinity.
  private(set) var logits: [Float]  // (vocabulary)
  /// The highest logit, once `findPeak` has found it.
  private(set) var peak = -Float.infinity
  private var lowest = Float.infinity  // no logit but minus infinity is below it
  private var minimum = -Float.greatestFiniteMagnitude  // tokens below are out
  private var buckets: [UInt64]
  private var indices: [Int32]  // of a bucket's tokens
  private var candidates: [Candidate] = []  // the same, as a heap
  private let kernels: LogitKernels

  private static let room = 2048  // of `indices` and `candidates`
  private static let mostRounds = 8
  /// Logits that differ by less count for too much to be left out.
  private static let closeLogits: Float = 12

  /// Allocates for `vocabularySize` logits, at most `LogitKernels.maximumCount`.
  public init(vocabularySize: Int, variant: KernelVariant = .best) {
    precondition(vocabularySize <= LogitKernels.maximumCount, "too large a vocabulary")
    logits = Array(repeating: 0, count: vocabularySize)
    buckets = Array(repeating: 0, count: LogitKernels.bucketCount)
    indices = Array(repeating: 0, count: Self.room)
    candidates.reserveCapacity(Self.room)
    kernels = LogitKernels(variant: variant)
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

// ---------------------------------------------------------------- logits

extension SamplerWorkspace {
  /// Copies the logits; what is not a number or may not be drawn becomes minus infinity.
  mutating func copy(_ source: Span<Float>, of tokens: SampleableTokens) {
    lowest = Self.copy(source, to: &logits, kernels)
    minimum = -.greatestFiniteMagnitude
    var target = logits.mutableSpan
    var next = 0
    for range in tokens.ranges {
      for id in next..<range.lowerBound { target[id] = -.infinity }
      next = range.upperBound
    }
    for id in next..<target.count { target[id] = -.infinity }
  }

  private static func copy(
    _ source: Span<Float>, to logits: inout [Float], _ kernels: LogitKernels
  ) -> Float {
    var target = logits.mutableSpan
    return kernels.copy(source, to: &target).lowest
  }

  /// Gives one token another logit.
  mutating func change(_ id: Int, to logit: Float) {
    let bounded = min(logit, .greatestFiniteMagnitude)
    logits[id] = bounded
    if bounded > -.infinity { lowest = min(lowest, bounded) }
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

  /// Finds the highest logit.
  ///
  /// - Returns: Its token, the lowest id on ties; nil when no token is left.
  mutating func findPeak() -> Int? {
    peak = kernels.maximum(logits.span)
    guard peak > -.infinity else { return nil }
    return kernels.firstIndex(of: logits.span, atLeast: peak)
  }
}

// ---------------------------------------------------------------- limits and draws

extension SamplerWorkspace {
  /// Drops the tokens below `limit`, which is not above the peak.
  mutating func dropBelow(_ limit: Float) { minimum = max(minimum, limit) }

  /// Keeps the `count` highest-ranking tokens; at least 1.
  mutating func keepTop(_ count: Int) {
    keep(upTo: find(.sum(UInt64(count) * LogitKernels.unit), weighing(sharpness: 0)))
  }

  /// Keeps the fewest highest-ranking tokens whose probabilities among those in play reach `sum`.
  mutating func keepNucleus(_ sum: Float) {
    var weighing = weighing(sharpness: 1)
    if peak - max(lowest, minimum) < Self.closeLogits {
      return keep(upTo: find(.least(Double(sum)), weighing))
    }
    // Tokens with less than half of (1 - sum) / vocabulary cannot be among them: of 100,000, a few
    // hundred are left as a rule.
    let total = kernels.weight(of: logits.span, weighing)
    let share = max(Double(total) * (1 - Double(sum)) * 0.5 / Double(logits.count), 0.5)
    weighing.minimum = max(
      minimum, peak + Float(naturalLogarithm(share / Double(LogitKernels.unit))))
    keep(upTo: find(.sum(Target.least(Double(sum)).needed(of: total)), weighing))
  }

  /// The token at the share `unit`, below 1, of all weights in play, best token first.
  mutating func drawByRank(_ unit: Double, sharpness: Float) -> Int {
    find(.beyond(unit), weighing(sharpness: sharpness)).map { Int($0.id) } ?? 0
  }

  /// The same with tokens in the order of their ids.
  func drawByID(_ unit: Double, sharpness: Float) -> Int {
    let weighing = weighing(sharpness: sharpness)
    let needed = Target.beyond(unit).needed(of: kernels.weight(of: logits.span, weighing))
    var reached: UInt64 = 0
    var id = 0
    for length in [2048, 64, 1] {
      while id < logits.count {
        let end = min(id + length, logits.count)
        let weight = kernels.weight(of: logits.span.extracting(id..<end), weighing)
        if reached + weight >= needed { break }
        reached += weight
        id = end
      }
    }
    return id
  }

  /// Adds the weights of all tokens in play, without temperature.
  func totalWeight() -> UInt64 { kernels.weight(of: logits.span, weighing(sharpness: 1)) }

  /// Calls `body` with the tokens in play, best first; at most 2,048 of them.
  mutating func forEachInPlay(_ body: (Candidate) -> Void) {
    let weighing = weighing(sharpness: 0)
    let bucket = gather(weighing, scale: 0, bucket: 0)
    fillCandidates(min(bucket.count, Self.room))
    for left in stride(from: candidates.count, to: 0, by: -1) { body(takeBest(of: left)) }
  }

  private func weighing(sharpness: Float) -> LogitKernels.Weighing {
    LogitKernels.Weighing(peak: peak, sharpness: sharpness, minimum: minimum)
  }

  /// Keeps what ranks at least as high as `last`.
  private mutating func keep(upTo last: Candidate?) {
    guard let last else { return }
    minimum = max(minimum, last.logit)
    // Ties of higher ids go: they are among the candidates, unless there were too many.
    if candidates.isEmpty {
      for id in Int(last.id) + 1..<logits.count where logits[id] == last.logit {
        logits[id] = -.infinity
      }
    }
    for candidate in candidates where candidate.logit == last.logit && candidate.id > last.id {
      logits[Int(candidate.id)] = -.infinity
    }
  }
}

// ---------------------------------------------------------------- searching by rank

extension SamplerWorkspace {
  /// What a running sum of weights has to reach.
  private enum Target {
    case sum(UInt64)
    case least(Double)  // a share of all weights
    case beyond(Double)  // the least sum above a share of all weights

    func needed(of total: UInt64) -> UInt64 {
      switch self {
      case .sum(let sum): sum
      case .least(let share):
        min(max(UInt64((share * Double(total)).rounded(.up)), 1), total)
      case .beyond(let share): min(UInt64(share * Double(total)) + 1, total)
      }
    }
  }

  /// The token whose weight makes the running sum, best token first, reach the target.
  ///
  /// - Returns: nil when all weights together do not. `candidates` are left with all tokens of that
  ///   logit, or empty when there are too many.
  private mutating func find(
    _ target: Target, _ weighing: LogitKernels.Weighing
  ) -> Candidate? {
    var weighing = weighing
    // Weights below e^-40 are nothing.
    let faint = weighing.sharpness > 0 ? peak - 40 / weighing.sharpness : lowest
    weighing.minimum = max(weighing.minimum, max(lowest, faint))
    var (reached, needed) = (UInt64(0), UInt64?.none)
    for round in 1... {
      let scale = spread(weighing)
      if needed == nil { needed = target.needed(of: buckets.reduce(0, &+)) }
      guard let needed, let index = bucket(reaching: needed, from: &reached) else { return nil }
      let bucket = gather(weighing, scale: scale, bucket: index)
      if bucket.count <= Self.room {
        fillCandidates(bucket.count)
        return candidate(reaching: needed, from: reached, weighing)
      }
      weighing.minimum = bucket.lowest
      weighing.maximum = bucket.highest
      if bucket.lowest == bucket.highest || round == Self.mostRounds {
        return tie(reaching: needed, from: reached, weighing)
      }
    }
    return nil
  }

  /// Adds all weights up in buckets.
  ///
  /// - Returns: Buckets per unit of logits.
  private mutating func spread(_ weighing: LogitKernels.Weighing) -> Float {
    let range = Double(weighing.maximum) - Double(weighing.minimum)
    let scale = range > 0 ? Double(LogitKernels.bucketCount - 1) / range : 0
    let bounded = Float(min(scale, Double(Float.greatestFiniteMagnitude)))
    Self.spread(logits, weighing, scale: bounded, over: &buckets, kernels)
    return bounded
  }

  private static func spread(
    _ logits: [Float], _ weighing: LogitKernels.Weighing, scale: Float,
    over buckets: inout [UInt64], _ kernels: LogitKernels
  ) {
    var span = buckets.mutableSpan
    for index in span.indices { span[index] = 0 }
    kernels.spread(logits.span, weighing, scale: scale, over: &span)
  }

  private mutating func gather(
    _ weighing: LogitKernels.Weighing, scale: Float, bucket: Int
  ) -> LogitKernels.Bucket {
    Self.gather(logits, weighing, scale: scale, bucket: bucket, into: &indices, kernels)
  }

  private static func gather(
    _ logits: [Float], _ weighing: LogitKernels.Weighing, scale: Float, bucket: Int,
    into indices: inout [Int32], _ kernels: LogitKernels
  ) -> LogitKernels.Bucket {
    var span = indices.mutableSpan
    return kernels.gather(logits.span, weighing, scale: scale, bucket: bucket, into: &span)
  }

  /// The bucket in which the running sum reaches `needed`; `reached` becomes the sum before it.
  private func bucket(reaching needed: UInt64, from reached: inout UInt64) -> Int? {
    for index in buckets.indices {
      if reached + buckets[index] >= needed { return index }
      reached += buckets[index]
    }
    return nil
  }

  private mutating func fillCandidates(_ count: Int) {
    candidates.removeAll(keepingCapacity: true)
    for id in indices[..<count] { candidates.append(Candidate(logit: logits[Int(id)], id: id)) }
    for index in stride(from: count / 2 - 1, through: 0, by: -1) { siftDown(index, count) }
  }

  /// Moves the best of the first `count` candidates behind the others of them.
  private mutating func takeBest(of count: Int) -> Candidate {
    let best = candidates[0]
    candidates.swapAt(0, count - 1)
    siftDown(0, count - 1)
    return best
  }

  private mutating func siftDown(_ start: Int, _ count: Int) {
    var parent = start
    while 2 * parent + 1 < count {
      var child = 2 * parent + 1
      if child + 1 < count, candidates[child + 1].outranks(candidates[child]) { child += 1 }
      guard candidates[child].outranks(candidates[parent]) else { return }
      candidates.swapAt(parent, child)
      parent = child
    }
  }

  private mutating func candidate(
    reaching needed: UInt64, from start: UInt64, _ weighing: LogitKernels.Weighing
  ) -> Candidate? {
    var reached = start
    for left in stride(from: candidates.count, to: 0, by: -1) {
      let best = takeBest(of: left)
      reached += weight(of: Int(best.id), weighing)
      if reached >= needed { return best }
    }
    return nil
  }

  /// The same among equal logits, of which there are many.
  private mutating func tie(
    reaching needed: UInt64, from start: UInt64, _ weighing: LogitKernels.Weighing
  ) -> Candidate? {
    candidates.removeAll(keepingCapacity: true)
    var reached = start
    for id in logits.indices
    where logits[id] >= weighing.minimum && logits[id] <= weighing.maximum {
      reached += weight(of: id, weighing)
      if reached >= needed { return Candidate(logit: logits[id], id: Int32(id)) }
    }
    return nil
  }

  private func weight(of id: Int, _ weighing: LogitKernels.Weighing) -> UInt64 {
    kernels.weight(of: logits.span.extracting(id..<id + 1), weighing)
  }
}
