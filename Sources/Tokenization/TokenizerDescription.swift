internal import ModelFiles

/// What a model's files say about its tokens, whatever the container.
struct TokenizerDescription {
  /// The file to name in errors.
  let file: String
  let vocabulary: Vocabulary
  let preTokenizer: PreTokenizer
  /// Whether a piece that is a token as a whole is taken before any merge (`ignore_merges`).
  let wholePiecesFirst: Bool
  let bos: TokenID?
  let eos: TokenID?
  /// Tokens that the files name as ends, `eos` included.
  let namedStops: Set<TokenID>
  let addsBOS: Bool
  /// Fill-in-the-middle tokens that the files name; otherwise they are found by their texts.
  let namedFillInMiddle: FillInMiddleTokens?
  /// The chat template's text; never executed.
  let template: String?
  /// Ids that the model knows, padding included: at least as many as tokens.
  let vocabularySize: Int
}

extension TokenizerDescription {
  /// Checks that an id from a file is one of the model's.
  static func checked(
    _ id: Int?, _ name: String, below size: Int, file: String
  ) throws(ModelFileError) -> TokenID? {
    guard let id else { return nil }
    guard id >= 0, id < size, let token = TokenID(exactly: id) else {
      throw ModelFileError(
        file: file, "\(name) is \(id), but the vocabulary has \(size) tokens",
        remedy: "convert or download the file again")
    }
    return token
  }
}
