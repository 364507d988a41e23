import Foundation

/// A folder as it comes from a model hub: config.json, safetensors, tokenizer.
public struct HuggingFaceFolder: Sendable {
  /// The folder's path.
  public let path: String
  /// config.json, in either style; `model_type` and `hidden_size` have been checked.
  public let config: JSONValue

  let configFile: InputFile

  private static let jsonLimit = 256 << 20

  init(path: String) throws(ModelFileError) {
    self.path = path
    try Self.checkKind(path)
    configFile = try InputFile(path: path + "/config.json")
    config = try JSONValue(parsing: configFile.contents(limit: Self.jsonLimit), of: configFile)
    guard let width = config["hidden_size"]?.integer, width > 0 else {
      throw ModelFileError(
        file: configFile.path, "hidden_size is missing or no positive integer",
        remedy: Remedy.downloadAgain)
    }
  }

  /// Fails for a folder of GGUF files, and names the one that the model can be opened with.
  private static func checkKind(_ path: String) throws(ModelFileError) {
    guard !InputFile.exists(path + "/config.json") else { return }
    let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    let files = names.filter { $0.hasSuffix(".gguf") }.sorted()
    let first = files.first { $0.contains("-00001-of-") }
    guard let name = first ?? files.first else { return }
    throw ModelFileError(
      file: path, "this folder has GGUF files, and no config.json",
      remedy: "name a file, such as \(path)/\(name)")
  }

  /// tokenizer.json, read anew at each call; an error when it is absent.
  public func tokenizer() throws(ModelFileError) -> JSONValue { try json("tokenizer.json") }

  /// tokenizer_config.json, read anew at each call; nil when it is absent.
  public func tokenizerConfig() throws(ModelFileError) -> JSONValue? {
    try json(ifPresent: "tokenizer_config.json")
  }

  /// generation_config.json, read anew at each call; nil when it is absent.
  public func generationConfig() throws(ModelFileError) -> JSONValue? {
    try json(ifPresent: "generation_config.json")
  }

  /// The text of a small file of the folder, such as chat_template.jinja; nil when it is absent.
  public func text(ifPresent name: String) throws(ModelFileError) -> String? {
    guard let file = try open(ifPresent: name) else { return nil }
    return String(decoding: try file.contents(limit: Self.jsonLimit), as: UTF8.self)
  }

  private func json(_ name: String) throws(ModelFileError) -> JSONValue {
    guard let json = try json(ifPresent: name) else {
      throw ModelFileError(
        file: path, "\(name) is missing", remedy: "copy it into the folder")
    }
    return json
  }

  private func json(ifPresent name: String) throws(ModelFileError) -> JSONValue? {
    guard let file = try open(ifPresent: name) else { return nil }
    return try JSONValue(parsing: try file.contents(limit: Self.jsonLimit), of: file)
  }

  private func open(ifPresent name: String) throws(ModelFileError) -> InputFile? {
    guard InputFile.exists("\(path)/\(name)") else { return nil }
    return try InputFile(path: "\(path)/\(name)")
  }
}
