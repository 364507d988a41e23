import Foundation

/// A small random generator with a seed, so that a run can be repeated.
///
/// Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
package struct SplitMix64: RandomNumberGenerator {
  private var state: UInt64

  package init(state: UInt64) { self.state = state }

  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }

  /// A number from 0 to below 1.
  package mutating func fraction() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// Failures before the first success, each trial with that probability.
  package mutating func geometric(_ probability: Double) -> Int {
    guard probability < 1 else { return 0 }
    let draw = log1p(-fraction()) / log1p(-probability)
    return Int(min(draw, 0x1p52))
  }
}
