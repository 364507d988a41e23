/// When bursts of bytes leave a link: one line, which sends one burst after another.
///
/// All connections through a link share its line. Burst and time in, time out; holds no clock.
package struct LinkTiming {
  private var lineFreeAt: UInt64 = 0
  private var random: SplitMix64

  package init(seed: UInt64) { random = SplitMix64(state: seed) }

  /// When a burst that comes at `time` has arrived at the far end, in nanoseconds.
  package mutating func arrival(of byteCount: Int, at time: UInt64, _ conditions: LinkConditions)
    -> UInt64
  {
    var arrival = time
    if let rate = conditions.bytesPerSecond {
      lineFreeAt = max(lineFreeAt, time) &+ UInt64(Double(byteCount) / rate * 1e9)
      arrival = lineFreeAt
    }
    arrival &+= conditions.delay
    if conditions.jitter > 0 { arrival &+= random.next() % (conditions.jitter + 1) }
    if conditions.spikeProbability > 0, random.fraction() < conditions.spikeProbability {
      arrival &+= conditions.spike
    }
    return arrival
  }

  /// How long a burst that comes at `time` waits until the line takes it.
  package func backlog(at time: UInt64) -> UInt64 { lineFreeAt > time ? lineFreeAt - time : 0 }
}

/// Chooses the bytes that arrive changed.
package struct ByteFlipper {
  private var random: SplitMix64
  private var gap: Int?  // bytes that stay whole before the next one that does not
  private var probability = 0.0

  package init(seed: UInt64) { random = SplitMix64(state: seed) }

  /// Flips a bit in some of the bytes of `range`; returns how many bytes are changed.
  package mutating func flip(
    _ bytes: inout [UInt8], range: Range<Int>, probability: Double
  ) -> Int {
    guard probability > 0 else { return 0 }
    if probability != self.probability {
      self.probability = probability
      gap = nil
    }
    var count = 0
    var position = range.lowerBound
    while position < range.upperBound {
      let whole = gap ?? random.geometric(probability)
      guard whole < range.upperBound - position else {
        gap = whole - (range.upperBound - position)
        break
      }
      bytes[position + whole] ^= 1 << UInt8(truncatingIfNeeded: random.next() % 8)
      position += whole + 1
      gap = nil
      count += 1
    }
    return count
  }
}
