import ArgumentParser
import DeepSeek
import Kernels

/// How a model is run.
struct ModelArguments: ParsableArguments {
  @Option(
    name: [.customShort("c"), .long],
    help: ArgumentHelp(
      "Tokens that a prompt and its answer may have together. (default: the model's own, at most "
        + "\(Self.defaultContextLimit))", valueName: "tokens"))
  var context: Int?

  @Option(
    name: .customLong("step-tokens"),
    help: ArgumentHelp("Prompt tokens that are run in one step.", valueName: "tokens"))
  var stepTokens = 512

  @Option(
    help: ArgumentHelp(
      "How expert groups are scored: by their best expert, as the published models do, or as "
        + "llama.cpp does.", valueName: "rule"))
  var routing = Routing.huggingface

  @Option(
    name: .customLong("kv-format"),
    help: ArgumentHelp(
      "How keys and values are stored: as computed, as halves, or as blocks of 8-bit numbers. "
        + "(default: f16, or f32 where attention has float weights)", valueName: "format"))
  var kvFormat: CacheFormat?

  @Option(
    name: .customLong("record-routing"),
    help: ArgumentHelp(
      "Write which experts the tokens use to this file, for --routing-trace.", valueName: "file"))
  var recordRouting: String?

  static let defaultContextLimit = 32_768

  mutating func validate() throws {
    if let context, !(1...16_777_216).contains(context) {
      throw ValidationError("--context must be from 1 to 16777216 tokens, not \(context)")
    }
    guard (1...4096).contains(stepTokens) else {
      throw ValidationError("--step-tokens must be from 1 to 4096, not \(stepTokens)")
    }
  }

  /// Names for `RoutingRule`.
  enum Routing: String, ExpressibleByArgument, CaseIterable {
    case huggingface
    case llamaCpp = "llama.cpp"

    var rule: RoutingRule {
      switch self {
      case .huggingface: .huggingFace
      case .llamaCpp: .llamaCpp
      }
    }
  }

  /// Names for `KVFormat`.
  enum CacheFormat: String, ExpressibleByArgument, CaseIterable {
    case f32
    case f16
    case int8

    var format: KVFormat {
      switch self {
      case .f32: .float32
      case .f16: .float16
      case .int8: .int8
      }
    }
  }
}
