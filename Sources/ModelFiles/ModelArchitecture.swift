/// What a file says its model is; the raw value is the file's spelling.
public enum ModelArchitecture: String, Sendable, CaseIterable {
  /// GGUF: DeepSeek V2 and V3, Kimi-K2, Moonlight.
  case deepseek2
  /// GGUF and Hugging Face: dense DeepSeek LLM and DeepSeek-Coder.
  case llama
  /// Hugging Face: DeepSeek V2 and V2.5, Coder-V2.
  case deepseekV2 = "deepseek_v2"
  /// Hugging Face: DeepSeek V3, R1, Moonlight.
  case deepseekV3 = "deepseek_v3"
  /// Hugging Face: Kimi-K2.
  case kimiK2 = "kimi_k2"

  private static let gguf: [Self] = [.deepseek2, .llama]
  private static let huggingFace: [Self] = [.deepseekV2, .deepseekV3, .kimiK2, .llama]

  init(_ metadata: Metadata) throws(ModelFileError) {
    let key = "general.architecture"
    let name = try metadata.string(key)
    guard let architecture = Self.gguf.first(where: { $0.rawValue == name }) else {
      throw metadata.error(
        key, "is \(quoted(name)) (this build reads \(Self.list(Self.gguf)))",
        remedy: "choose a model of the DeepSeek family")
    }
    self = architecture
  }

  init(_ folder: HuggingFaceFolder) throws(ModelFileError) {
    let name = folder.config["model_type"]?.string ?? ""
    guard let architecture = Self.huggingFace.first(where: { $0.rawValue == name }) else {
      throw ModelFileError(
        file: folder.path + "/config.json",
        "model_type is \(quoted(name)) (this build reads \(Self.list(Self.huggingFace)))",
        remedy: "choose a model of the DeepSeek family")
    }
    self = architecture
  }

  private static func list(_ cases: [Self]) -> String {
    cases.map(\.rawValue).joined(separator: ", ")
  }
}
