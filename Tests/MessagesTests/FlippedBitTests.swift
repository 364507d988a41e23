import Messages
import Testing

/// Whatever changes on the way is noticed, or changes nothing.
@Suite struct FlippedBitTests {
  let codec = MessageCodec()

  /// Without a checksum of the frame, one bit made a reply to one call that of its neighbour.
  @Test func `no flipped bit makes another message of a control message`() throws {
    for body in Samples.controlBodies {
      let message = Samples.control(body)
      var bytes: [UInt8] = []
      try codec.encode(message, into: &bytes)
      for bit in 0..<min(bytes.count, 2_000) * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8)
        if let read = try? codec.decodeControl(bytes.rawSpan) { #expect(read == message) }
        bytes[bit / 8] ^= 1 << (bit % 8)
      }
      #expect(try codec.decodeControl(bytes.rawSpan) == message)
    }
  }

  @Test func `no flipped bit makes another message of a data header`() throws {
    for body in Samples.dataBodies {
      let header = Samples.data(body)
      var bytes: [UInt8] = []
      try codec.encode(header, into: &bytes)
      for bit in 0..<bytes.count * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8)
        if let read = try? codec.decodeData(bytes.rawSpan) { #expect(read == header) }
        bytes[bit / 8] ^= 1 << (bit % 8)
      }
      #expect(try codec.decodeData(bytes.rawSpan) == header)
    }
  }

  /// Every bit of payloads as long as those of small models, and every length that is too short.
  @Test(arguments: [2_048, 5_440, 8_192])
  func `every flipped bit and every cut of a payload is noticed`(count: Int) {
    var payload = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 167 &+ $0 >> 3) }
    let right = PayloadChecksum.of(payload.rawSpan, seed: 0)
    var missed = 0
    for bit in 0..<count * 8 {
      payload[bit / 8] ^= 1 << (bit % 8)
      if PayloadChecksum.of(payload.rawSpan, seed: 0) == right { missed += 1 }
      payload[bit / 8] ^= 1 << (bit % 8)
    }
    for length in 0..<count
    where PayloadChecksum.of(payload.rawSpan.extracting(0..<length), seed: 0) == right {
      missed += 1
    }
    #expect(missed == 0)
  }
}
