import Experts
import Messages
import Placement
import Testing

/// Bytes that no honest peer sends: each must be an error or a valid message, never a trap.
@Suite struct HostileBytesTests {
  let codec = MessageCodec()

  private var controlFrames: [[UInt8]] {
    get throws {
      try Samples.controlBodies.map { body in
        var bytes: [UInt8] = []
        try codec.encode(Samples.control(body), into: &bytes)
        bytes.removeLast(MessageCodec.checksumByteCount)  // else nothing changed gets further
        return bytes
      }
    }
  }

  private var dataFrames: [[UInt8]] {
    get throws {
      try Samples.dataBodies.map { body in
        var bytes: [UInt8] = []
        try codec.encode(Samples.data(body), into: &bytes)
        bytes.removeLast(MessageCodec.checksumByteCount)  // else nothing changed gets further
        return bytes
      }
    }
  }

  @Test func `a message cut at any byte is refused`() throws {
    for frame in try controlFrames {
      for count in frame.indices {
        let cut = Array(frame[..<count])
        #expect(throws: WireError.self) { try codec.decodeControl(cut.rawSpan) }
      }
    }
    for frame in try dataFrames {
      for count in frame.indices {
        let cut = Array(frame[..<count])
        #expect(throws: WireError.self) { try codec.decodeData(cut.rawSpan) }
      }
    }
  }

  @Test func `every single flipped bit gives an error or a message within the limits`() throws {
    for frame in try controlFrames {
      for bit in 0..<min(frame.count, 400) * 8 {
        var flipped = frame
        flipped[bit / 8] ^= 1 << (bit % 8)
        guard let message = try? codec.decodeControl(flipped.rawSpan) else { continue }
        var again: [UInt8] = []
        try codec.encode(message, into: &again)
      }
    }
    for frame in try dataFrames {
      for bit in 0..<frame.count * 8 {
        var flipped = frame
        flipped[bit / 8] ^= 1 << (bit % 8)
        guard let header = try? codec.decodeData(flipped.rawSpan) else { continue }
        var again: [UInt8] = []
        try codec.encode(header, into: &again)
      }
    }
  }

  @Test(arguments: [1, 2, 3, 4] as [UInt64])
  func `random bytes and random splices do not trap`(seed: UInt64) throws {
    var random = SplitMix(state: seed)
    let frames = try controlFrames + dataFrames
    for _ in 0..<4_000 {
      var bytes = frames[Int(random.next() % UInt64(frames.count))].prefix(300).map { $0 }
      for _ in 0..<1 + random.next() % 6 {
        let position = Int(random.next() % UInt64(bytes.count))
        switch random.next() % 3 {
        case 0: bytes[position] = UInt8(truncatingIfNeeded: random.next())
        case 1: bytes.insert(UInt8(truncatingIfNeeded: random.next()), at: position)
        default: if bytes.count > 1 { bytes.remove(at: position) }
        }
      }
      _ = try? codec.decodeControl(bytes.rawSpan)
      _ = try? codec.decodeData(bytes.rawSpan)
    }
  }

  @Test func `a message that would take too much memory is refused`() {
    // 30,000 unknown fields of two bytes each: 24 bytes of bookkeeping for each.
    let bomb = (0..<30_000).flatMap { _ in [0x78 as UInt8, 0] }
    let small = MessageCodec(arenaByteCount: 16 << 10)
    #expect(throws: WireError.self) { try small.decodeControl(bomb.rawSpan) }
    let long = [UInt8](repeating: 0, count: WireLimits.controlByteCount + 1)
    #expect(
      throws: WireError.malformed(
        message: "ControlMessage", problem: "65537 bytes are more than 65536")
    ) { try codec.decodeControl(long.rawSpan) }
  }

  @Test func `another protocol version is named`() throws {
    var frame = try controlFrames[0]
    #expect(frame[0] == 8 && frame[1] == 1)  // field 1, varint 1
    frame[1] = 2
    let error = #expect(throws: WireError.self) { try codec.decodeControl(frame.rawSpan) }
    #expect(
      error?.description == "the peer speaks protocol 2, this build speaks 1; "
        + "run the same release of conclave on every machine")
  }

  @Test func `text with a NUL or broken UTF-8 is refused`() throws {
    let frame = try controlFrames[9]
    let text = Array("the machine".utf8)
    let start = try #require(
      frame.indices.first { frame[$0...].starts(with: text) })
    for bad: UInt8 in [0, 0xFF] {
      var broken = frame
      broken[start + 1] = bad
      #expect(
        throws: WireError.malformed(
          message: "Drain", problem: "text is not 1 to 512 bytes of text")
      ) { try codec.decodeControl(broken.rawSpan) }
    }
  }

  @Test func `values beyond a limit are not sent`() {
    var bytes: [UInt8] = []
    var hello = Samples.hello
    hello.memoryBudget = 0
    #expect(
      throws: WireError.malformed(
        message: "Hello", problem: "memory_budget 0 is outside 1…1125899906842624")
    ) { try codec.encode(Samples.control(.hello(hello)), into: &bytes) }
    let unit = PlacementUnit(layer: LayerIndex(1), group: GroupIndex(1))
    let twice = Assignment(origin: .ownFile, units: [unit, unit])
    #expect(
      throws: WireError.malformed(
        message: "Assignment", problem: "its groups are not in ascending order")
    ) { try codec.encode(Samples.control(.assignment(twice)), into: &bytes) }
  }
}

/// A small generator with a seed, so that a failure can be repeated.
struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }
}
