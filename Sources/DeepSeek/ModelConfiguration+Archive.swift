public import ModelFiles

extension ModelConfiguration {
  /// Reads and checks the settings of a model file.
  ///
  /// - Parameters:
  ///   - archive: an opened model; its tensors tell which layout it has.
  ///   - rule: whose routing rule to follow where engines disagree.
  /// - Throws: `ModelError`, one line that names file and key.
  public init(_ archive: ModelArchive, rule: RoutingRule = .huggingFace) throws(ModelError) {
    switch archive.container {
    case .gguf(let metadata):
      try self.init(gguf: Settings(metadata), rule: rule) { archive.tensor(named: $0)?.shape }
    case .huggingFace(let folder):
      try self.init(huggingFace: Settings(folder), rule: rule)
    }
  }
}

extension Settings {
  /// The keys of a GGUF file.
  init(_ metadata: Metadata) {
    self.init(file: metadata.file) { key in metadata[key].map(Setting.init) }
  }
}

extension Settings {
  /// The members of config.json; a dot leads into an object.
  init(_ folder: HuggingFaceFolder) {
    self.init(file: folder.path + "/config.json") { key in
      var value: JSONValue? = folder.config
      for part in key.split(separator: ".") { value = value?[String(part)] }
      return value.map(Setting.init)
    }
  }
}

extension Setting {
  init(_ value: JSONValue) {
    switch value {
    case .null: self = .null
    case .bool(let flag): self = .bool(flag)
    case .integer(let number): self = .integer(number)
    case .number(let number): self = .float(number)
    case .string(let text): self = .string(text)
    case .array, .object: self = .other
    }
  }

  init(_ value: MetadataValue) {
    switch value {
    case .unsigned(let number): self = Int(exactly: number).map(Setting.integer) ?? .other
    case .signed(let number): self = Int(exactly: number).map(Setting.integer) ?? .other
    case .float(let number): self = .float(number)
    case .bool(let flag): self = .bool(flag)
    case .string(let bytes): self = .string(String(decoding: bytes, as: UTF8.self))
    case .strings, .numbers, .array: self = .other
    }
  }
}
