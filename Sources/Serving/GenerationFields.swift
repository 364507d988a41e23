import Constraints
import Inference
import ModelFiles
import Tokenization

/// The fields that chat and text completions share: how to choose tokens, and when to stop.
struct GenerationFields {
  var sampling: SamplingParameters
  var maxTokens: Int?
  var stopStrings: [String] = []
  var ignoresEndOfText = false
  var streams = false
  var includesUsage = false
  /// How many answers to each prompt.
  var choices = 1
  /// How many alternatives of each token are shown; nil: no probabilities at all.
  var topLogprobs: Int?
  /// What the answer has to be.
  var format = ResponseFormat.text

  /// OpenAI's fields that cannot change what this server answers; they are accepted and not used.
  static let ignored: Set<String> = [
    "metadata", "parallel_tool_calls", "prompt_cache_key", "prompt_cache_retention",
    "safety_identifier", "service_tier", "store", "user", "verbosity",
  ]

  /// OpenAI takes 4, DeepSeek's own API 16; editors that complete code send five and more.
  static let maximumStopStrings = 16
  static let maximumStopStringBytes = 1024
  static let maximumLogitBiases = 1024
  static let maximumChoices = 16
  static let maximumTopLogprobs = 20

  /// Everything as it is by default.
  init() { sampling = SamplingParameters() }

  /// Takes the shared fields out of `fields`; those that are absent get `defaults`.
  init(_ fields: inout RequestFields, defaults: SamplingParameters) throws(APIError) {
    sampling = defaults
    try readSampling(&fields)
    try readLength(&fields)
    try readStream(&fields)
    if let value = try fields.integer("n", in: 1...Self.maximumChoices) { choices = value }
    if let value = fields.value("response_format") { format = try ResponseFormat(value) }
    try refuseContradictions()
  }

  private mutating func readSampling(_ fields: inout RequestFields) throws(APIError) {
    if let value = try fields.float("temperature") { sampling.temperature = value }
    if let value = try fields.float("top_p") { sampling.topP = value }
    if let value = try fields.integer("top_k") { sampling.topK = value == -1 ? 0 : value }
    if let value = try fields.float("min_p") { sampling.minP = value }
    if let value = try fields.float("repetition_penalty") { sampling.repetitionPenalty = value }
    if let value = try fields.float("frequency_penalty") { sampling.frequencyPenalty = value }
    if let value = try fields.float("presence_penalty") { sampling.presencePenalty = value }
    if let value = try fields.integer("penalty_window") { sampling.penaltyWindow = value }
    if let value = try fields.integer("seed") {
      sampling.seed = value == -1 ? nil : UInt64(bitPattern: Int64(value))
    }
    sampling.logitBias = try Self.logitBias(&fields) ?? sampling.logitBias
    do { try sampling.validate() } catch { throw APIError(error) }
  }

  private static func logitBias(
    _ fields: inout RequestFields
  ) throws(APIError) -> [TokenID: Float]? {
    guard let members = try fields.object("logit_bias") else { return nil }
    guard members.count <= maximumLogitBiases else {
      throw .invalid(
        "logit_bias has \(members.count) entries; at most \(maximumLogitBiases) are allowed",
        param: "logit_bias")
    }
    var biases: [TokenID: Float] = [:]
    for member in members {
      guard let token = TokenID(member.key), let bias = member.value.number else {
        throw .invalid(
          "logit_bias must map token ids to numbers; \"\(member.key.prefix(40))\" does not",
          param: "logit_bias")
      }
      biases[token] = Float(bias)
    }
    return biases
  }

  private mutating func readLength(_ fields: inout RequestFields) throws(APIError) {
    for name in ["max_tokens", "max_completion_tokens"] {
      guard let value = try fields.integer(name) else { continue }
      guard value > 0 else {
        throw .invalid("\(name) must be 1 or more, not \(value)", param: name)
      }
      maxTokens = value
    }
    ignoresEndOfText = try fields.bool("ignore_eos") ?? false
    guard let stop = fields.value("stop") else { return }
    stopStrings = try Self.stopStrings(stop)
  }

  private static func stopStrings(_ value: JSONValue) throws(APIError) -> [String] {
    let elements: [JSONValue] =
      switch value {
      case .array(let elements): elements
      default: [value]
      }
    guard elements.count <= maximumStopStrings else {
      throw .invalid(
        "stop has \(elements.count) strings; at most \(maximumStopStrings) are allowed",
        param: "stop")
    }
    var strings: [String] = []
    for element in elements {
      guard case .string(let text) = element, !text.isEmpty,
        text.utf8.count <= maximumStopStringBytes
      else {
        throw .invalid(
          "stop must be a string or an array of strings of 1 to \(maximumStopStringBytes) bytes",
          param: "stop")
      }
      strings.append(text)
    }
    return strings
  }

  private mutating func readStream(_ fields: inout RequestFields) throws(APIError) {
    streams = try fields.bool("stream") ?? false
    guard let value = fields.value("stream_options") else { return }
    guard streams else {
      throw .invalid(
        "stream_options is allowed only when stream is true", param: "stream_options")
    }
    var options = try RequestFields(value, path: "stream_options")
    includesUsage = try options.bool("include_usage") ?? false
    _ = try options.bool("include_obfuscation")  // a padding of events against eavesdroppers
    try options.finish()
  }

  private func refuseContradictions() throws(APIError) {
    if ignoresEndOfText, format != .text {
      throw .invalid(
        "ignore_eos does not go together with a response_format; leave one out",
        param: "ignore_eos")
    }
  }
}
