internal import ModelFiles

/// What each token writes, in one buffer.
struct TokenBytes: Sendable {
  private var bytes: [UInt8] = []
  private var ends: [Int] = []  // (tokens)

  /// Undoes the byte alphabet for normal tokens; user-defined ones are literal, others silent.
  init(_ vocabulary: Vocabulary) {
    ends.reserveCapacity(vocabulary.texts.count)
    for (text, kind) in zip(vocabulary.texts, vocabulary.kinds) {
      switch kind {
      case .normal: bytes.append(contentsOf: ByteAlphabet.decode(text) ?? Array(text))
      case .userDefined: bytes.append(contentsOf: text)
      case .byte: if let byte = Self.byte(text) { bytes.append(byte) }
      case .control, .unknown, .unused: break
      }
      ends.append(bytes.count)
    }
  }

  /// What one token writes; nothing for an id without a token.
  subscript(token: TokenID) -> ArraySlice<UInt8> {
    let index = Int(token)
    guard ends.indices.contains(index) else { return [] }
    return bytes[(index == 0 ? 0 : ends[index - 1])..<ends[index]]
  }

  /// The byte of a text like `<0x0A>`.
  private static func byte(_ text: ArraySlice<UInt8>) -> UInt8? {
    guard text.count == 6, text.starts(with: "<0x".utf8), text.last == UInt8(ascii: ">") else {
      return nil
    }
    return UInt8(String(decoding: text.dropFirst(3).dropLast(), as: UTF8.self), radix: 16)
  }
}
