/// The tokens that mark the parts of a text whose middle is wanted.
public struct FillInMiddleTokens: Hashable, Sendable {
  /// Before the text ahead of the gap.
  public let prefix: TokenID
  /// Where the gap is, between the two texts.
  public let hole: TokenID
  /// After the text behind the gap; the model goes on with the middle.
  public let end: TokenID

  init?(prefix: TokenID?, hole: TokenID?, end: TokenID?) {
    guard let prefix, let hole, let end else { return nil }
    self.prefix = prefix
    self.hole = hole
    self.end = end
  }

  init?(_ vocabulary: Vocabulary) {
    self.init(
      prefix: vocabulary.addedToken("<｜fim▁begin｜>"),
      hole: vocabulary.addedToken("<｜fim▁hole｜>"), end: vocabulary.addedToken("<｜fim▁end｜>"))
  }
}

extension Tokenizer {
  /// A prompt for the text between two texts, which are taken as they are: no special tokens in them.
  ///
  /// - Throws: `TokenizerError` when the model has no tokens for it.
  public func encode(prefix: String, suffix: String) throws(TokenizerError) -> [TokenID] {
    guard let marks = fillInMiddle else { throw .noFillInMiddle }
    let start = addsBOS ? bos.map { [$0] } ?? [] : []
    return start + [marks.prefix] + encode(prefix, specials: false, addBOS: false)
      + [marks.hole] + encode(suffix, specials: false, addBOS: false) + [marks.end]
  }
}
