internal import ModelFiles

extension TokenizerDescription {
  /// Reads tokenizer.json and what config.json, generation_config.json and tokenizer_config.json add.
  init(_ folder: HuggingFaceFolder) throws(ModelFileError) {
    let file = HuggingFaceTokenizer(path: folder.path, json: try folder.tokenizer())
    let vocabulary = try file.vocabulary()
    let config = try folder.tokenizerConfig()
    let preTokenizer = try file.preTokenizer()
    let size = folder.config["vocab_size"]?.integer ?? vocabulary.texts.count
    guard size >= vocabulary.texts.count, size <= 1 << 24 else {
      throw ModelFileError(
        file: folder.path,
        "tokenizer.json has \(vocabulary.texts.count) tokens, config.json a vocab_size of \(size)",
        remedy: "take both from the same model")
    }
    func named(_ key: String) -> TokenID? {
      Self.content(config?[key]).flatMap { vocabulary.id(of: $0.utf8) }
    }
    var stops = try Self.stops(folder, below: size)
    let configBOS = try Self.checked(
      folder.config["bos_token_id"]?.integer, "bos_token_id", below: size,
      file: "\(folder.path)/config.json")
    let eos = named("eos_token") ?? stops.min()
    if let eos { stops.insert(eos) }
    self.init(
      file: file.path, vocabulary: vocabulary, preTokenizer: preTokenizer,
      wholePiecesFirst: file.ignoresMerges, bos: named("bos_token") ?? configBOS, eos: eos,
      namedStops: stops,
      addsBOS: config?["add_bos_token"]?.bool ?? (preTokenizer != .kimiK2),
      namedFillInMiddle: nil, template: try Self.template(folder, config),
      vocabularySize: size)
  }

  /// The ends that config.json and generation_config.json name, each one or several.
  private static func stops(
    _ folder: HuggingFaceFolder, below size: Int
  ) throws(ModelFileError) -> Set<TokenID> {
    let files = [
      ("config.json", folder.config), ("generation_config.json", try folder.generationConfig()),
    ]
    var stops: Set<TokenID> = []
    for (name, json) in files {
      for id in integers(json?["eos_token_id"]) {
        let path = "\(folder.path)/\(name)"
        let token = try checked(id, "eos_token_id", below: size, file: path)
        if let token { stops.insert(token) }
      }
    }
    return stops
  }

  /// A token given as a text or as an object with its content.
  private static func content(_ token: JSONValue?) -> String? {
    token?.string ?? token?["content"]?.string
  }

  private static func integers(_ value: JSONValue?) -> [Int] {
    value?.array?.compactMap(\.integer) ?? value?.integer.map { [$0] } ?? []
  }

  /// The template of tokenizer_config.json, the default one of several, or chat_template.jinja.
  private static func template(
    _ folder: HuggingFaceFolder, _ config: JSONValue?
  ) throws(ModelFileError) -> String? {
    let value = config?["chat_template"]
    if let text = value?.string { return text }
    if let several = value?.array {
      let choice = several.first { $0["name"]?.string == "default" } ?? several.first
      if let text = choice?["template"]?.string { return text }
    }
    return try folder.text(ifPresent: "chat_template.jinja")
  }
}
