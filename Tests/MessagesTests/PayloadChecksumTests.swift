import Messages
import Testing

@Suite struct PayloadChecksumTests {
  @Test(
    arguments: [
      ("", 0xEF46_DB37_51D8_E999), ("a", 0xD24E_C4F1_A98C_6E5B), ("abc", 0x44BC_2CF5_AD77_0999),
      ("Call me Ishmael. Some years ago--never mind how long precisely-", 0x02A2_E854_70D6_FD96),
    ] as [(String, UInt64)])
  func `it is XXH64`(text: String, hash: UInt64) {
    #expect(PayloadChecksum.of(Array(text.utf8).rawSpan, seed: 0) == hash)
  }

  @Test(arguments: [1, 8, 31, 32, 33, 100])
  func `every single flipped bit changes it`(count: Int) {
    let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 37) }
    let right = PayloadChecksum.of(index: bytes.rawSpan, payload: bytes.rawSpan)
    for bit in 0..<count * 8 {
      var flipped = bytes
      flipped[bit / 8] ^= 1 << (bit % 8)
      #expect(PayloadChecksum.of(index: bytes.rawSpan, payload: flipped.rawSpan) != right)
      #expect(PayloadChecksum.of(index: flipped.rawSpan, payload: bytes.rawSpan) != right)
    }
  }
}
