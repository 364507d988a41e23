internal import ModelFiles

/// What a token is; raw values are those of `tokenizer.ggml.token_type`.
enum TokenKind: UInt8, Sendable {
  case normal = 1
  case unknown = 2
  case control = 3
  case userDefined = 4
  case unused = 5
  case byte = 6
}

/// A vocabulary as its file has it: texts, kinds and merges.
///
/// Texts are compared by bytes; as `String` keys, canonically equal ones would be one token.
struct Vocabulary: Sendable {
  /// One merge: two tokens become a third.
  struct Merge: Sendable {
    let left: TokenID
    let right: TokenID
    let merged: TokenID
  }

  /// The texts: normal tokens in the byte alphabet, all others literally.
  let texts: StringArray
  /// What each token is, as many as texts.
  let kinds: [TokenKind]
  /// Lowest rank first.
  let merges: [Merge]

  private let table: TextTable

  /// Takes texts and kinds of equal number, and merges as pairs of texts.
  ///
  /// - Throws: the number of the first merge whose parts or result are no tokens.
  init(
    texts: StringArray, kinds: [TokenKind], merges pairs: some Collection<MergeText>
  ) throws(UnknownMerge) {
    let table = TextTable(texts)
    self.texts = texts
    self.kinds = zip(texts, kinds).map { Self.kind($0, asWritten: $1) }
    self.table = table
    var merges: [Merge] = []
    merges.reserveCapacity(pairs.count)
    for (rank, pair) in pairs.enumerated() {
      guard let left = table.id(of: pair.left, in: texts),
        let right = table.id(of: pair.right, in: texts),
        let merged = table.id(of: pair.left + pair.right, in: texts)
      else { throw UnknownMerge(rank: rank, pair: pair) }
      merges.append(Merge(left: left, right: right, merged: merged))
    }
    self.merges = merges
  }

  /// The token with exactly this text; the lowest of several.
  func id(of text: some Collection<UInt8>) -> TokenID? { table.id(of: Array(text)[...], in: texts) }

  /// The one control or user-defined token with this text.
  func addedToken(_ text: String) -> TokenID? {
    guard let id = id(of: text.utf8) else { return nil }
    switch kinds[Int(id)] {
    case .control, .userDefined, .unknown: return id
    case .normal, .unused, .byte: return nil
    }
  }

  /// Marks of turns are control tokens whatever the file says: some converters write them as
  /// user-defined ones, and those match in any text, so that a user could forge a turn.
  private static func kind(_ text: ArraySlice<UInt8>, asWritten kind: TokenKind) -> TokenKind {
    kind == .userDefined && isMark(text) ? .control : kind
  }

  /// Whether a text is written as marks are: `<|…|>` or `<｜…｜>`.
  static func isMark(_ text: ArraySlice<UInt8>) -> Bool {
    [("<|", "|>"), ("<｜", "｜>")].contains { opening, closing in
      text.count > opening.utf8.count + closing.utf8.count
        && text.starts(with: opening.utf8)
        && text.suffix(closing.utf8.count).elementsEqual(closing.utf8)
    }
  }
}
