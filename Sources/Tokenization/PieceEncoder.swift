/// Turns one piece after another into tokens, with the space and the memory that this takes.
struct PieceEncoder {
  private let vocabulary: Vocabulary?  // when whole pieces come first
  private let encoder: BytePairEncoder
  private var scratch = BytePairEncoder.Scratch()
  private var cache: PieceCache?

  /// Starts a text; a long one is worth a cache.
  init(_ tokenizer: Tokenizer, longText: Bool) {
    vocabulary = tokenizer.wholePiecesFirst ? tokenizer.vocabulary : nil
    encoder = tokenizer.encoder
    cache = longText ? PieceCache() : nil
  }

  /// Adds the tokens of a piece.
  mutating func encode(_ text: [UInt8], _ piece: Range<Int>, into ids: inout [TokenID]) {
    let key = cache == nil ? nil : PieceCache.Key(text, piece)
    if let key, cache?.append(key, to: &ids) == true { return }
    let start = ids.count
    if let id = wholeToken(text[piece]) {
      ids.append(id)
    } else {
      encoder.encode(text[piece], with: &scratch, into: &ids)
    }
    if let key { cache?.insert(key, ids[start...]) }
  }

  private func wholeToken(_ piece: ArraySlice<UInt8>) -> TokenID? {
    guard let vocabulary, let id = vocabulary.id(of: piece.flatMap(ByteAlphabet.text)) else {
      return nil
    }
    return vocabulary.kinds[Int(id)] == .normal ? id : nil
  }
}
