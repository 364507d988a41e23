import ArgumentParser
import Inference
import Tokenization

/// How tokens are chosen and when an answer ends.
struct SamplingArguments: ParsableArguments {
  @Option(
    name: [.customShort("n"), .customLong("max-tokens")],
    help: ArgumentHelp(
      "The most tokens to answer with. (default: \(Self.usualMaxTokens), or what the context has "
        + "room for)", valueName: "count"))
  var maxTokens: Int?

  /// The most tokens where nobody says, and nothing says how many fit.
  static let usualMaxTokens = 256

  @Option(
    help: ArgumentHelp(
      "0 takes the most probable token; higher is more varied, up to 2.", valueName: "value"))
  var temperature: Float?

  @Option(
    name: .customLong("top-k"),
    help: ArgumentHelp(
      "Keep this many of the most probable tokens; 0 keeps all.", valueName: "count"))
  var topK = 0

  @Option(
    name: .customLong("top-p"),
    help: ArgumentHelp(
      "Keep the most probable tokens that together reach this probability.", valueName: "value"))
  var topP: Float = 1

  @Option(
    name: .customLong("min-p"),
    help: ArgumentHelp(
      "Keep tokens at least this fraction as probable as the best one.", valueName: "value"))
  var minP: Float = 0

  @Option(
    name: .customLong("repetition-penalty"),
    help: ArgumentHelp("Above 1 discourages repeated tokens.", valueName: "value"))
  var repetitionPenalty: Float = 1

  @Option(
    name: .customLong("frequency-penalty"),
    help: ArgumentHelp("Lowers a token for each time it occurred, -2 to 2.", valueName: "value"))
  var frequencyPenalty: Float = 0

  @Option(
    name: .customLong("presence-penalty"),
    help: ArgumentHelp("Lowers a token that occurred at all, -2 to 2.", valueName: "value"))
  var presencePenalty: Float = 0

  @Option(
    name: .customLong("penalty-window"),
    help: ArgumentHelp("How many of the last tokens the penalties see.", valueName: "tokens"))
  var penaltyWindow = 64

  @Option(
    name: .customLong("logit-bias"),
    help: ArgumentHelp("Adds to a token's logit, -100 to 100; repeatable.", valueName: "id=value"))
  var logitBias: [LogitBias] = []

  @Option(help: ArgumentHelp("Makes a random answer repeatable.", valueName: "number"))
  var seed: UInt64?

  @Option(help: ArgumentHelp("A text that ends the answer; repeatable.", valueName: "text"))
  var stop: [String] = []

  @Flag(
    name: .customLong("ignore-end"), help: "Go on after the token with which the model ends.")
  var ignoresEnd = false

  mutating func validate() throws {
    if let maxTokens, maxTokens < 1 {
      throw ValidationError("--max-tokens must be 1 or more, not \(maxTokens)")
    }
    if stop.contains("") { throw ValidationError("--stop must not be empty") }
    do {
      try parameters(defaultTemperature: 0).validate()
    } catch InferenceError.invalidSampling(let name, let problem) {
      let option = name.rawValue.split(separator: "_").joined(separator: "-")
      throw ValidationError("--\(option) \(problem)")
    }
  }

  /// The most tokens where there is room for so many: what was asked for, even if it is more.
  func tokenLimit(room: Int) -> Int { maxTokens ?? max(1, min(Self.usualMaxTokens, room)) }

  /// The tokens that end an answer.
  func stopTokens(of tokenizer: Tokenizer) -> Set<TokenID> {
    ignoresEnd ? [] : tokenizer.stopTokens
  }

  /// The parameters as the sampler takes them.
  func parameters(defaultTemperature: Float) -> SamplingParameters {
    SamplingParameters(
      temperature: temperature ?? defaultTemperature, topK: topK, topP: topP, minP: minP,
      repetitionPenalty: repetitionPenalty, frequencyPenalty: frequencyPenalty,
      presencePenalty: presencePenalty, penaltyWindow: penaltyWindow, seed: seed,
      logitBias: Dictionary(logitBias.map { ($0.token, $0.bias) }) { $1 })
  }
}

/// One `--logit-bias`, for example `42=-1.5`.
struct LogitBias: ExpressibleByArgument {
  let token: TokenID
  let bias: Float

  init?(argument: String) {
    let parts = argument.split(separator: "=", omittingEmptySubsequences: false)
    guard parts.count == 2, let token = TokenID(parts[0]), let bias = Float(parts[1]) else {
      return nil
    }
    self.token = token
    self.bias = bias
  }
}
