/// Turns tokens into text as they come, never cutting a character.
///
/// Bytes of an unfinished UTF-8 sequence, at most three, are held back until it is complete. Bytes
/// that cannot start or continue one become U+FFFD. Control tokens write nothing. The pieces joined
/// equal the decoding of all tokens at once.
public struct StreamDecoder: Sendable {
  private let tokenizer: Tokenizer
  private let shown: Set<TokenID>
  private var held: [UInt8] = []

  /// A decoder at the start of a text; control tokens among `shown` write their names.
  public init(_ tokenizer: Tokenizer, showing shown: Set<TokenID> = []) {
    self.tokenizer = tokenizer
    self.shown = shown
  }

  /// The text that a token completes, often empty.
  public mutating func append(_ token: TokenID) -> String {
    guard shown.contains(token), tokenizer.isControl(token) else {
      return append(bytes: tokenizer.bytes(of: token))
    }
    return append(bytes: tokenizer.name(of: token).utf8)
  }

  /// The rest, U+FFFD when a character has not been finished.
  public mutating func finish() -> String {
    defer { held.removeAll() }
    return String(decoding: held, as: UTF8.self)
  }

  /// The text that bytes complete.
  mutating func append(bytes: some Sequence<UInt8>) -> String {
    held.append(contentsOf: bytes)
    let ready = held.count - unfinishedCount(held)
    defer { held.removeFirst(ready) }
    return String(decoding: held[..<ready], as: UTF8.self)
  }
}

/// Bytes at the end that further bytes may complete to one scalar: 0 to 3.
private func unfinishedCount(_ bytes: [UInt8]) -> Int {
  for count in 1...3 where count <= bytes.count {
    let start = bytes.count - count
    let lead = bytes[start]
    if lead & 0xC0 == 0x80 { continue }
    guard let length = sequenceLength(lead), length > count else { return 0 }
    return count == 1 || mayFollow(lead, bytes[start + 1]) ? count : 0
  }
  return 0
}

/// How long the UTF-8 sequence of a lead byte beyond ASCII is.
private func sequenceLength(_ lead: UInt8) -> Int? {
  switch lead {
  case 0xC2...0xDF: 2
  case 0xE0...0xEF: 3
  case 0xF0...0xF4: 4
  default: nil
  }
}

/// Whether a second byte keeps clear of overlong forms, surrogates and values beyond U+10FFFF.
private func mayFollow(_ lead: UInt8, _ second: UInt8) -> Bool {
  switch lead {
  case 0xE0: second >= 0xA0
  case 0xED: second < 0xA0
  case 0xF0: second >= 0x90
  case 0xF4: second < 0x90
  default: true
  }
}
