/// XXH64, the checksum of data frames: fast, and sure to see any change within eight aligned bytes.
///
/// - Source: the xxHash specification, XXH64. It finds accidents, not attackers.
public enum PayloadChecksum {
  private static let prime1: UInt64 = 0x9E37_79B1_85EB_CA87
  private static let prime2: UInt64 = 0xC2B2_AE3D_27D4_EB4F
  private static let prime3: UInt64 = 0x1656_67B1_9E37_79F9
  private static let prime4: UInt64 = 0x85EB_CA77_C2B2_AE63
  private static let prime5: UInt64 = 0x27D4_EB2F_1656_67C5

  /// The checksum of a data message: its payload, seeded with that of its index.
  public static func of(index: RawSpan, payload: RawSpan) -> UInt64 {
    of(payload, seed: of(index, seed: 0))
  }

  /// XXH64 of `bytes`.
  public static func of(_ bytes: RawSpan, seed: UInt64) -> UInt64 {
    unsafe bytes.withUnsafeBytes { bytes in
      let count = bytes.count
      var offset = 0
      var hash: UInt64
      if count >= 32 {
        var (a, b) = (seed &+ prime1 &+ prime2, seed &+ prime2)
        var (c, d) = (seed, seed &- prime1)
        while offset <= count - 32 {
          a = round(a, unsafe word(bytes, offset))
          b = round(b, unsafe word(bytes, offset + 8))
          c = round(c, unsafe word(bytes, offset + 16))
          d = round(d, unsafe word(bytes, offset + 24))
          offset += 32
        }
        hash = rotate(a, 1) &+ rotate(b, 7) &+ rotate(c, 12) &+ rotate(d, 18)
        hash = merge(merge(merge(merge(hash, a), b), c), d)
      } else {
        hash = seed &+ prime5
      }
      hash &+= UInt64(count)
      return unsafe finish(hash, bytes, offset)
    }
  }

  private static func finish(
    _ start: UInt64, _ bytes: UnsafeRawBufferPointer, _ position: Int
  ) -> UInt64 {
    var (hash, offset) = (start, position)
    while offset <= bytes.count - 8 {
      hash ^= round(0, unsafe word(bytes, offset))
      hash = rotate(hash, 27) &* prime1 &+ prime4
      offset += 8
    }
    if offset <= bytes.count - 4 {
      let half = unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
      hash ^= UInt64(UInt32(littleEndian: half)) &* prime1
      hash = rotate(hash, 23) &* prime2 &+ prime3
      offset += 4
    }
    while offset < bytes.count {
      hash ^= UInt64(unsafe bytes[offset]) &* prime5
      hash = rotate(hash, 11) &* prime1
      offset += 1
    }
    hash = (hash ^ hash >> 33) &* prime2
    hash = (hash ^ hash >> 29) &* prime3
    return hash ^ hash >> 32
  }

  private static func word(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> UInt64 {
    UInt64(littleEndian: unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
  }

  private static func rotate(_ value: UInt64, _ count: UInt64) -> UInt64 {
    value &<< count | value &>> (64 &- count)
  }

  private static func round(_ lane: UInt64, _ word: UInt64) -> UInt64 {
    rotate(lane &+ word &* prime2, 31) &* prime1
  }

  private static func merge(_ hash: UInt64, _ lane: UInt64) -> UInt64 {
    (hash ^ round(0, lane)) &* prime1 &+ prime4
  }
}
