internal import ModelFiles

extension TokenizerDescription {
  /// Reads the keys `tokenizer.ggml.*` of a GGUF file.
  init(_ metadata: Metadata) throws(ModelFileError) {
    let model = try metadata.string(Key.model)
    guard model == "gpt2" else {
      throw metadata.error(
        Key.model, "is \(quoted(model)); only gpt2, byte-level byte pairs, is supported",
        remedy: "choose a model of the DeepSeek family")
    }
    let preTokenizer = try Self.preTokenizer(metadata)
    let texts = try metadata.strings(Key.tokens)
    guard !texts.isEmpty, texts.count <= 1 << 24 else {
      throw metadata.error(Key.tokens, "has \(texts.count) tokens")
    }
    let vocabulary = try Self.vocabulary(metadata, texts)
    func id(_ key: String) throws(ModelFileError) -> TokenID? {
      try Self.checked(
        try metadata.integer(ifPresent: key), key, below: texts.count, file: metadata.file)
    }
    let eos = try id(Key.eos) ?? vocabulary.addedToken("<｜end▁of▁sentence｜>")
    let stops = [eos, try id(Key.eot), try id(Key.eom)].compactMap(\.self)
    let bos = try id(Key.bos) ?? vocabulary.addedToken("<｜begin▁of▁sentence｜>")
    self.init(
      file: metadata.file, vocabulary: vocabulary, preTokenizer: preTokenizer,
      wholePiecesFirst: false, bos: bos, eos: eos, namedStops: Set(stops),
      addsBOS: try metadata.bool(ifPresent: Key.addsBOS) ?? (preTokenizer != .kimiK2),
      namedFillInMiddle: FillInMiddleTokens(
        prefix: try id("tokenizer.ggml.fim_pre_token_id"),
        hole: try id("tokenizer.ggml.fim_suf_token_id"),
        end: try id("tokenizer.ggml.fim_mid_token_id")),
      template: try metadata.string(ifPresent: "tokenizer.chat_template"),
      vocabularySize: texts.count)
  }

  private enum Key {
    static let model = "tokenizer.ggml.model"
    static let preTokenizer = "tokenizer.ggml.pre"
    static let tokens = "tokenizer.ggml.tokens"
    static let kinds = "tokenizer.ggml.token_type"
    static let merges = "tokenizer.ggml.merges"
    static let bos = "tokenizer.ggml.bos_token_id"
    static let eos = "tokenizer.ggml.eos_token_id"
    static let eot = "tokenizer.ggml.eot_token_id"
    static let eom = "tokenizer.ggml.eom_token_id"
    static let addsBOS = "tokenizer.ggml.add_bos_token"
  }

  private static func preTokenizer(_ metadata: Metadata) throws(ModelFileError) -> PreTokenizer {
    let name = try metadata.string(Key.preTokenizer)
    guard let preTokenizer = PreTokenizer(rawValue: name) else {
      let known = PreTokenizer.allCases.map(\.rawValue).joined(separator: ", ")
      throw metadata.error(
        Key.preTokenizer, "is \(quoted(name)); this build knows \(known)",
        remedy: "choose a model of the DeepSeek family")
    }
    return preTokenizer
  }

  private static func vocabulary(
    _ metadata: Metadata, _ texts: StringArray
  ) throws(ModelFileError) -> Vocabulary {
    let kinds = try kinds(metadata, texts)
    let merges = try metadata.strings(Key.merges)
    do throws(UnknownMerge) {
      return try Vocabulary(texts: texts, kinds: kinds, merges: merges.map(MergeText.init))
    } catch {
      throw metadata.error(Key.merges, error.problem)
    }
  }

  private static func kinds(
    _ metadata: Metadata, _ texts: StringArray
  ) throws(ModelFileError) -> [TokenKind] {
    guard let numbers = try metadata.integers(ifPresent: Key.kinds) else {
      return texts.map { text in
        ByteAlphabet.decode(text) == nil || Vocabulary.isMark(text) ? .control : .normal
      }
    }
    guard numbers.count == texts.count else {
      throw metadata.error(
        Key.kinds, "has \(numbers.count) elements for \(texts.count) tokens")
    }
    let kinds = numbers.compactMap { UInt8(exactly: $0).flatMap(TokenKind.init) }
    guard kinds.count == numbers.count else {
      throw metadata.error(Key.kinds, "holds a type that does not exist (known are 1 to 6)")
    }
    return kinds
  }
}
