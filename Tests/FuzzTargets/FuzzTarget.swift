public import Foundation

/// A parser of bytes that strangers may have written, under a name for fuzzers and corpora.
///
/// `run` may find the bytes good or bad; it must not trap, hang, or take memory beyond what the bytes
/// pay for.
public enum FuzzTarget: String, CaseIterable, Sendable {
  /// A model file, its settings, and its tokenizer.
  case gguf
  /// A shard of a Hugging Face folder.
  case safetensors
  /// `model.safetensors.index.json`.
  case shardIndex = "shard-index"
  /// `FILE.manifest`.
  case fileManifest = "file-manifest"
  /// `config.json`.
  case modelConfiguration = "model-configuration"
  /// `tokenizer.json`, and a text through it.
  case tokenizer
  /// A frame of the control plane.
  case controlMessage = "control-message"
  /// The three frames of a message of the data plane.
  case dataMessage = "data-message"
  /// JSON by itself.
  case json
  /// Bodies of the HTTP API.
  case requestBody = "request-body"
  /// A JSON schema for answers.
  case schema
  /// A regular expression of a schema.
  case pattern
  /// The configuration of `conclave serve`.
  case configurationFile = "configuration-file"
  /// Key pairs and lists of public keys.
  case keyFile = "key-file"
  /// API keys.
  case apiKeyFile = "api-key-file"
  /// A script of the link emulator.
  case linkScript = "link-script"

  /// Gives the bytes to the parser.
  public func run(_ bytes: [UInt8]) {
    switch self {
    case .gguf: ModelFileTargets.gguf(bytes)
    case .safetensors: ModelFileTargets.shard.run(bytes)
    case .shardIndex: ModelFileTargets.index.run(bytes)
    case .fileManifest: ModelFileTargets.manifest(bytes)
    case .modelConfiguration: ModelFileTargets.configuration.run(bytes)
    case .tokenizer: ModelFileTargets.tokenizer.run(bytes)
    case .controlMessage: WireTargets.control(bytes)
    case .dataMessage: WireTargets.data(bytes)
    case .json: TextTargets.json(bytes)
    case .requestBody: TextTargets.requestBody(bytes)
    case .schema: TextTargets.schema(bytes)
    case .pattern: TextTargets.pattern(bytes)
    case .configurationFile: TextTargets.configurationFile(bytes)
    case .keyFile: TextTargets.keyFile(bytes)
    case .apiKeyFile: TextTargets.apiKeyFile(bytes)
    case .linkScript: TextTargets.linkScript(bytes)
    }
  }

  /// The seeds of all targets, a folder each.
  public static let corpus = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "Fuzz/corpus")

  /// The committed seeds of this target, by name.
  public var seeds: [(name: String, bytes: [UInt8])] {
    get throws {
      let folder = Self.corpus.appending(path: rawValue)
      return try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted().map {
        ($0, Array(try Data(contentsOf: folder.appending(path: $0))))
      }
    }
  }
}

/// A check that holds for whatever bytes there are; a fuzzer sees it as a crash.
func mustHold(_ condition: Bool, _ what: @autoclosure () -> String) {
  precondition(condition, what())
}
