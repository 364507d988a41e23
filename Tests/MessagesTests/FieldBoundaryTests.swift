import Messages
import Testing

/// Every field of every message absent, zero, and at its largest, in every place where it can stand.
///
/// Validation that is skipped when a field is absent or zero has been the hole more than once
/// (CVE-2026-34159), as have lengths that exceed what follows (CVE-2022-48468).
@Suite struct FieldBoundaryTests {
  let codec = MessageCodec()

  @Test func `control messages with any field changed are refused or within the limits`() throws {
    for body in Samples.controlBodies {
      var bytes: [UInt8] = []
      try codec.encode(Samples.control(body), into: &bytes)
      bytes.removeLast(MessageCodec.checksumByteCount)  // else nothing that is changed gets further
      for changed in variants(of: bytes) {
        guard let message = try? codec.decodeControl(changed.rawSpan) else { continue }
        var again: [UInt8] = []
        try codec.encode(message, into: &again)
        #expect(try codec.decodeControl(again.rawSpan).body == message.body)
      }
    }
  }

  @Test func `data headers with any field changed are refused or within the limits`() throws {
    for body in Samples.dataBodies {
      var bytes: [UInt8] = []
      try codec.encode(Samples.data(body), into: &bytes)
      bytes.removeLast(MessageCodec.checksumByteCount)
      for changed in variants(of: bytes) {
        guard let header = try? codec.decodeData(changed.rawSpan) else { continue }
        var again: [UInt8] = []
        try codec.encode(header, into: &again)
        #expect(try codec.decodeData(again.rawSpan).body == header.body)
      }
    }
  }

  @Test func `the fields of a message are found`() throws {
    var bytes: [UInt8] = []
    try codec.encode(Samples.control(.hello(Samples.hello)), into: &bytes)
    #expect(WireField.all(in: bytes[...])?.count ?? 0 >= 3)
    #expect(variants(of: bytes).count > 50)
  }

  /// The message with each field in turn, at any depth, changed in each way.
  private func variants(of bytes: [UInt8]) -> [[UInt8]] {
    variants(of: bytes[...], depth: 0).map(Array.init)
  }

  private func variants(of bytes: ArraySlice<UInt8>, depth: Int) -> [ArraySlice<UInt8>] {
    guard depth < 5, let fields = WireField.all(in: bytes) else { return [] }
    var variants: [ArraySlice<UInt8>] = []
    for field in fields.prefix(40) {
      let (before, after) = (bytes[..<field.range.lowerBound], bytes[field.range.upperBound...])
      for replacement in field.replacements { variants.append(before + replacement + after) }
      for inner in nestedVariants(of: field, depth: depth) {
        variants.append(before + inner + after)
      }
    }
    return variants
  }

  /// The field with each of its own fields changed.
  private func nestedVariants(of field: WireField, depth: Int) -> [[UInt8]] {
    guard let content = field.content else { return [] }
    return variants(of: content, depth: depth + 1).map {
      field.tag + WireField.varint(UInt64($0.count)) + $0
    }
  }
}

/// One field of a protobuf message as its bytes.
struct WireField {
  let range: Range<Int>
  let tag: [UInt8]
  /// The bytes of a string, byte field or message; nil for numbers.
  let content: ArraySlice<UInt8>?
  private let kind: UInt64

  /// The fields of a message; nil when the bytes are none.
  static func all(in bytes: ArraySlice<UInt8>) -> [WireField]? {
    var fields: [WireField] = []
    var rest = bytes
    while !rest.isEmpty {
      let start = rest.startIndex
      guard let key = takeVarint(&rest), key >> 3 > 0 else { return nil }
      let tag = Array(bytes[start..<rest.startIndex])
      var content: ArraySlice<UInt8>?
      switch key & 7 {
      case 0: guard takeVarint(&rest) != nil else { return nil }
      case 1: guard rest.count >= 8 else { return nil }; rest = rest.dropFirst(8)
      case 5: guard rest.count >= 4 else { return nil }; rest = rest.dropFirst(4)
      case 2:
        guard let count = takeVarint(&rest), count <= rest.count else { return nil }
        content = rest.prefix(Int(count))
        rest = rest.dropFirst(Int(count))
      default: return nil
      }
      fields.append(
        WireField(range: start..<rest.startIndex, tag: tag, content: content, kind: key & 7))
    }
    return fields
  }

  /// What may stand in its place: nothing, twice itself in kind, zero, the largest, other kinds.
  var replacements: [[UInt8]] {
    let most = [UInt8](repeating: 0xFF, count: 8)
    var found: [[UInt8]] = [[], [0x0A, 0], tag]
    switch kind {
    case 0:
      found += [0, 1, 127, 1 << 31, 1 << 32 - 1, 1 << 32, 1 << 62, 1 << 63, .max].map {
        tag + Self.varint($0)
      }
      found.append(tag + [UInt8](repeating: 0xFF, count: 10))  // more than 64 bits
    case 1: found += [tag + [UInt8](repeating: 0, count: 8), tag + most]
    case 5: found += [tag + [0, 0, 0, 0], tag + most.prefix(4)]
    default:
      found += [tag + [0], tag + [1, 0], tag + [4] + most.prefix(4)]
      // A length beyond what follows, and one that wraps round.
      found += [1 << 20, 1 << 31, 1 << 32 - 1, .max].map { tag + Self.varint($0) + most }
      found.append(tag + Self.varint(5_000) + [UInt8](repeating: 0x61, count: 5_000))
    }
    return found
  }

  static func varint(_ value: UInt64) -> [UInt8] {
    var bytes: [UInt8] = []
    var value = value
    while value > 127 {
      bytes.append(UInt8(truncatingIfNeeded: value) | 128)
      value >>= 7
    }
    return bytes + [UInt8(value)]
  }

  private static func takeVarint(_ bytes: inout ArraySlice<UInt8>) -> UInt64? {
    var value: UInt64 = 0
    for shift in stride(from: 0, to: 64, by: 7) {
      guard let byte = bytes.popFirst() else { return nil }
      value |= UInt64(byte & 127) << UInt64(shift)
      if byte < 128 { return value }
    }
    return nil
  }
}
