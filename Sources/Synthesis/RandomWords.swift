/// A fast deterministic generator of 64-bit words.
///
/// - Source: xoshiro256++ (Blackman and Vigna), seeded with splitmix64.
struct RandomWords: RandomNumberGenerator {
  private var a: UInt64
  private var b: UInt64
  private var c: UInt64
  private var d: UInt64

  /// The stream that belongs to a seed and a tensor's name.
  init(seed: UInt64, name: String) {
    // FNV-1a, so that a tensor's values do not depend on its place in the file.
    var state = name.utf8.reduce(0xCBF2_9CE4_8422_2325 ^ seed) {
      ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3
    }
    a = splitMix(&state)
    b = splitMix(&state)
    c = splitMix(&state)
    d = splitMix(&state)
  }

  mutating func next() -> UInt64 {
    let sum = a &+ d
    let result = (sum << 23 | sum >> 41) &+ a
    let shifted = b << 17
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= shifted
    d = d << 45 | d >> 19
    return result
  }
}

private func splitMix(_ state: inout UInt64) -> UInt64 {
  state &+= 0x9E37_79B9_7F4A_7C15
  var word = state
  word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
  word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
  return word ^ word >> 31
}
