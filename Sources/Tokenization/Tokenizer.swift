public import ModelFiles

/// The number of a token in a model's vocabulary.
public typealias TokenID = Int32

/// Text to tokens and back: byte-level byte-pair encoding, as the model's files define it.
///
/// Works on UTF-8 bytes throughout; nothing is normalised, trimmed or changed in case.
public struct Tokenizer: Sendable {
  /// Ids that the model knows, padding included.
  public let vocabularySize: Int
  /// Begins every text.
  public let bos: TokenID?
  /// Ends an answer; the main one of `stopTokens`.
  public let eos: TokenID?
  /// All tokens that end an answer, from all files, and known ends of turns.
  public let stopTokens: Set<TokenID>
  /// Whether a prompt starts with `bos`.
  public let addsBOS: Bool
  /// The tokens for filling in the middle, if the model has them.
  public let fillInMiddle: FillInMiddleTokens?
  /// How conversations are written, as far as the files tell.
  public let chatFormat: ChatFormat?

  let vocabulary: Vocabulary
  let template: String?
  private let preTokenizer: PreTokenizer
  let wholePiecesFirst: Bool
  private let addedTokens: AddedTokens
  let encoder: BytePairEncoder
  private let output: TokenBytes

  /// Reads the tokenizer of a model.
  ///
  /// - Throws: `ModelFileError` naming the file and what is wrong in it.
  public init(_ archive: ModelArchive) throws(ModelFileError) {
    switch archive.container {
    case .gguf(let metadata): self.init(try TokenizerDescription(metadata))
    case .huggingFace(let folder): self.init(try TokenizerDescription(folder))
    }
  }

  init(_ description: TokenizerDescription) {
    let vocabulary = description.vocabulary
    self.vocabulary = vocabulary
    template = description.template
    vocabularySize = description.vocabularySize
    bos = description.bos
    eos = description.eos
    stopTokens = description.namedStops.union(Self.knownEnds.compactMap(vocabulary.addedToken))
    addsBOS = description.addsBOS && description.bos != nil
    fillInMiddle = description.namedFillInMiddle ?? FillInMiddleTokens(vocabulary)
    chatFormat = ChatFormat(description)
    preTokenizer = description.preTokenizer
    wholePiecesFirst = description.wholePiecesFirst
    addedTokens = AddedTokens(vocabulary)
    encoder = BytePairEncoder(vocabulary)
    output = TokenBytes(vocabulary)
  }

  /// Texts of tokens that end an answer in any model that has them.
  private static let knownEnds = [
    "<｜end▁of▁sentence｜>", "<|EOT|>", "<|im_end|>", "[EOS]", "[EOT]", "<|endoftext|>",
  ]

  /// The tokens of a text.
  ///
  /// - Parameters:
  ///   - text: Any text.
  ///   - specials: Whether texts of control tokens become those tokens; off for text of users.
  ///     User-defined tokens match either way.
  ///   - addBOS: Whether to start with `bos`, if there is one.
  /// - Returns: The tokens, in the text's order.
  public func encode(_ text: String, specials: Bool = true, addBOS: Bool) -> [TokenID] {
    let bytes = Array(text.utf8)
    var ids: [TokenID] = []
    ids.reserveCapacity(bytes.count / 3 + 2)
    if addBOS, let bos { ids.append(bos) }
    var scanned = ScannedText()
    var pieces = PieceEncoder(self, longText: bytes.count > 4096)
    addedTokens.split(bytes, specials: specials) { stretch, token in
      scanned.scan(bytes, stretch)
      preTokenizer.cut(&scanned)
      scanned.forEachPiece { pieces.encode(bytes, $0, into: &ids) }
      if let token { ids.append(token) }
    }
    return ids
  }

  /// The text of tokens; bytes that are not UTF-8 become U+FFFD, control tokens write nothing.
  public func decode(_ tokens: some Sequence<TokenID>) -> String {
    var bytes: [UInt8] = []
    for token in tokens { bytes.append(contentsOf: output[token]) }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// What one token writes: nothing for control tokens and ids without a token.
  public func bytes(of token: TokenID) -> [UInt8] { Array(output[token]) }

  /// The text that a token has in the vocabulary file, to show it; empty without a token.
  public func name(of token: TokenID) -> String {
    guard let kind = kind(token) else { return "" }
    return kind == .normal
      ? String(decoding: output[token], as: UTF8.self) : vocabulary.texts.text(Int(token))
  }

  /// The one special or user-defined token with this text.
  public func specialToken(_ text: String) -> TokenID? { vocabulary.addedToken(text) }

  /// Whether a token is a mark that writes nothing.
  public func isControl(_ token: TokenID) -> Bool {
    switch kind(token) {
    case .control, .unknown: true
    case .normal, .userDefined, .unused, .byte, nil: false
    }
  }

  /// Whether an id only pads the vocabulary, so that it must never be sampled.
  public func isUnused(_ token: TokenID) -> Bool {
    switch kind(token) {
    case nil, .unused: true
    case .userDefined: isPadding(vocabulary.texts[Int(token)])
    case .normal, .unknown, .control, .byte: false
    }
  }

  private func kind(_ token: TokenID) -> TokenKind? {
    vocabulary.kinds.indices.contains(Int(token)) ? vocabulary.kinds[Int(token)] : nil
  }
}

/// Whether a text is `[PADn]`, with which converters fill a vocabulary up.
private func isPadding(_ text: ArraySlice<UInt8>) -> Bool {
  let digits = text.dropFirst(4).dropLast()
  return text.starts(with: "[PAD".utf8) && text.last == UInt8(ascii: "]") && !digits.isEmpty
    && digits.allSatisfy { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }
}
