/// The printable characters that stand for bytes in a byte-level vocabulary (GPT-2's table).
///
/// Bytes 33-126, 161-172 and 174-255 are the code point of equal value; the other 68, in rising
/// order, are U+0100, U+0101, …
enum ByteAlphabet {
  /// The scalar of each byte.
  static let scalars: [UInt16] = {
    var next: UInt16 = 0x100
    return (UInt16(0)...255).map { byte in
      switch byte {
      case 33...126, 161...172, 174...255: return byte
      default:
        defer { next += 1 }
        return next
      }
    }
  }()

  private static let bytes: [UInt8?] = {
    var bytes = [UInt8?](repeating: nil, count: 0x144)
    for (byte, scalar) in scalars.enumerated() { bytes[Int(scalar)] = UInt8(byte) }
    return bytes
  }()

  /// The UTF-8 text that stands for one byte.
  static func text(of byte: UInt8) -> [UInt8] {
    let scalar = scalars[Int(byte)]
    if scalar < 0x80 { return [UInt8(scalar)] }
    return [UInt8(0xC0 | scalar >> 6), UInt8(0x80 | scalar & 0x3F)]
  }

  /// The bytes that a vocabulary text stands for, or nil when it holds another character.
  static func decode(_ text: some Sequence<UInt8>) -> [UInt8]? {
    var decoded: [UInt8] = []
    var lead: UInt8?
    for byte in text {
      if let high = lead {
        guard byte & 0xC0 == 0x80 else { return nil }
        let scalar = Int(high & 0x1F) << 6 | Int(byte & 0x3F)
        guard scalar < bytes.count, let value = bytes[scalar] else { return nil }
        decoded.append(value)
        lead = nil
      } else if byte < 0x80 {
        guard let value = bytes[Int(byte)] else { return nil }
        decoded.append(value)
      } else {
        guard 0xC2...0xDF ~= byte else { return nil }
        lead = byte
      }
    }
    return lead == nil ? decoded : nil
  }
}
