/// The public half of a CURVE key: what a machine of the cluster is known by.
///
/// As text it is 64 hexadecimal digits, which need no quotes in a shell.
public struct PublicKey: Hashable, Sendable, CustomStringConvertible {
  /// Bytes of a key.
  public static let byteCount = 32

  private let words: SIMD4<UInt64>  // big-endian

  /// The key with these 32 bytes.
  ///
  /// - Throws: `KeyError` for keys that prove nothing: those that the ZeroMQ manual prints, and zero.
  package init(bytes: [UInt8]) throws(KeyError) {
    precondition(bytes.count == Self.byteCount)
    var words = SIMD4<UInt64>()
    for (index, byte) in bytes.enumerated() {
      words[index / 8] = words[index / 8] << 8 | UInt64(byte)
    }
    self.words = words
    guard !isKnownToEverybody else {
      throw KeyError(
        "\(brief)… is an example key that everybody knows; `conclave keys new FILE` makes a key")
    }
  }

  /// The key with this text.
  ///
  /// - Throws: `KeyError` unless the text is 64 hexadecimal digits of a key that proves something.
  public init(_ text: some StringProtocol) throws(KeyError) {
    guard let bytes = HexDigits.bytes(of: text), bytes.count == Self.byteCount else {
      throw KeyError(
        "\"\(text.prefix(80))\" is no public key: use the 64 digits that `conclave keys new` prints"
      )
    }
    try self.init(bytes: bytes)
  }

  /// The key that a connection's user id names, of which it is known that it is one of ours.
  init?(userID digits: UnsafePointer<CChar>) {
    var words = SIMD4<UInt64>()
    for index in 0..<2 * Self.byteCount {
      guard let digit = unsafe HexDigits.value(of: UInt8(bitPattern: digits[index])) else {
        return nil
      }
      words[index / 16] = words[index / 16] << 4 | UInt64(digit)
    }
    self.words = words
  }

  /// The bytes of the key.
  package var bytes: [UInt8] {
    (0..<Self.byteCount).map { index in
      UInt8(truncatingIfNeeded: words[index / 8] >> UInt64(56 - index % 8 * 8))
    }
  }

  /// 64 hexadecimal digits.
  public var description: String { HexDigits.text(of: bytes) }

  /// The first digits, enough for people.
  public var brief: String { String(description.prefix(12)) }

  private var isKnownToEverybody: Bool {
    words == SIMD4() || Self.examples.contains(description)
  }

  /// The keys of client and server in zmq_curve(7); their secrets are printed there, too.
  private static let examples: Set<String> = [
    "bb88471d65e2659b30c55a5321cebb5aab2b70a398645c26dca2b2fcb43fc518",
    "54fcba24e93249969316fb617c872bb0c1d1ff14800427c594cbfacf1bc2d652",
  ]
}

/// What is wrong with a key or a file of keys, and what to do, in one line.
public struct KeyError: Error, Equatable, CustomStringConvertible, Sendable {
  /// The line.
  public let description: String

  init(_ description: String) { self.description = description }
}

/// Bytes as pairs of hexadecimal digits.
enum HexDigits {
  static func value(of digit: UInt8) -> UInt8? {
    switch digit {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
    default: nil
    }
  }

  /// The bytes; nil when a character is no digit or one is left over.
  static func bytes(of text: some StringProtocol) -> [UInt8]? {
    let values = text.utf8.map(value)
    guard values.count.isMultiple(of: 2) else { return nil }
    var bytes: [UInt8] = []
    for index in stride(from: 0, to: values.count, by: 2) {
      guard let high = values[index], let low = values[index + 1] else { return nil }
      bytes.append(high << 4 | low)
    }
    return bytes
  }

  static func text(of bytes: [UInt8]) -> String {
    bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
  }
}
