public import Tokenization

/// How the next token is chosen from the model's logits; the defaults change nothing but draw.
///
/// The steps run in one fixed order, llama.cpp's: logit bias, penalties, top-k, top-p, min-p,
/// temperature, draw. Temperature comes last, so top-p and min-p see the model's own distribution
/// and mean the same at every temperature.
public struct SamplingParameters: Sendable, Equatable {
  /// Divides the logits before the draw, 0…2; at 0 the most probable token is taken.
  public var temperature: Float
  /// Keeps this many of the most probable tokens; 0 keeps all.
  public var topK: Int
  /// Keeps the shortest list of most probable tokens whose probabilities reach this sum, 0…1.
  public var topP: Float
  /// Keeps tokens at least this fraction as probable as the most probable one, 0…1.
  public var minP: Float
  /// Divides the positive and multiplies the negative logits of recent tokens, above 0…10.
  public var repetitionPenalty: Float
  /// Lowers a logit by this for each time its token is among the recent ones, -2…2.
  public var frequencyPenalty: Float
  /// Lowers a logit by this once if its token is among the recent ones, -2…2.
  public var presencePenalty: Float
  /// How many of the last tokens, prompt included, count as recent for the penalties; 0 is none.
  public var penaltyWindow: Int
  /// Determines every draw of a request; nil picks one at random and reports it in the summary.
  public var seed: UInt64?
  /// Added to the logits of these tokens before anything else, -100…100 each.
  public var logitBias: [TokenID: Float]

  /// Collects the values without checking them; see `validate()`.
  public init(
    temperature: Float = 1, topK: Int = 0, topP: Float = 1, minP: Float = 0,
    repetitionPenalty: Float = 1, frequencyPenalty: Float = 0, presencePenalty: Float = 0,
    penaltyWindow: Int = 64, seed: UInt64? = nil, logitBias: [TokenID: Float] = [:]
  ) {
    self.temperature = temperature
    self.topK = topK
    self.topP = topP
    self.minP = minP
    self.repetitionPenalty = repetitionPenalty
    self.frequencyPenalty = frequencyPenalty
    self.presencePenalty = presencePenalty
    self.penaltyWindow = penaltyWindow
    self.seed = seed
    self.logitBias = logitBias
  }

  /// Always the most probable token.
  public static let greedy = SamplingParameters(temperature: 0)

  /// Whether any penalty changes a logit.
  var hasPenalties: Bool {
    penaltyWindow > 0
      && (repetitionPenalty != 1 || frequencyPenalty != 0 || presencePenalty != 0)
  }
}

extension SamplingParameters {
  /// The parameters by the names that HTTP clients use.
  public enum Name: String, Sendable, CaseIterable {
    case temperature
    case topK = "top_k"
    case topP = "top_p"
    case minP = "min_p"
    case repetitionPenalty = "repetition_penalty"
    case frequencyPenalty = "frequency_penalty"
    case presencePenalty = "presence_penalty"
    case penaltyWindow = "penalty_window"
    case logitBias = "logit_bias"
  }

  /// The longest penalty window, a million tokens: more than any context.
  public static let maximumPenaltyWindow = 1 << 20

  /// Checks every range.
  ///
  /// - Throws: `InferenceError.invalidSampling`, which names the first value that is out of range.
  public func validate() throws(InferenceError) {
    try check(.temperature, temperature, in: 0...2)
    try check(.topP, topP, in: 0...1)
    try check(.minP, minP, in: 0...1)
    try check(.frequencyPenalty, frequencyPenalty, in: -2...2)
    try check(.presencePenalty, presencePenalty, in: -2...2)
    guard repetitionPenalty > 0, repetitionPenalty <= 10 else {
      throw .invalidSampling(
        .repetitionPenalty, "must be above 0 and at most 10, not \(repetitionPenalty)")
    }
    guard topK >= 0 else {
      throw .invalidSampling(.topK, "must be 0 (all) or more, not \(topK)")
    }
    guard (0...Self.maximumPenaltyWindow).contains(penaltyWindow) else {
      throw .invalidSampling(
        .penaltyWindow, "must be from 0 to \(Self.maximumPenaltyWindow), not \(penaltyWindow)")
    }
    for (token, bias) in logitBias {
      guard token >= 0 else {
        throw .invalidSampling(.logitBias, "token \(token) does not exist")
      }
      try check(.logitBias, bias, in: -100...100)
    }
  }

  private func check(
    _ name: Name, _ value: Float, in range: ClosedRange<Float>
  ) throws(InferenceError) {
    guard range.contains(value) else {
      let bounds = "\(range.lowerBound.shortText) to \(range.upperBound.shortText)"
      throw .invalidSampling(name, "must be from \(bounds), not \(value.shortText)")
    }
  }
}

extension Float {
  /// The number without a trailing ".0".
  fileprivate var shortText: String {
    Int(exactly: self).map(String.init) ?? description
  }
}
