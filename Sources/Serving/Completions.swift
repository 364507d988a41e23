import Inference
import ModelFiles
import Tokenization

/// The body of `POST /v1/completions`.
struct CompletionsBody {
  /// A text to continue, or tokens that are taken as they are.
  enum Prompt: Equatable {
    case text(String)
    case tokens([TokenID])
  }

  let model: String?
  let prompts: [Prompt]
  /// What follows the gap that the model shall fill.
  let suffix: String?
  /// Whether answers begin with their prompts.
  let echoes: Bool
  let generation: GenerationFields

  /// OpenAI's default of `max_tokens` for this endpoint.
  static let defaultMaxTokens = 16
  static let maximumPrompts = 32
  static let maximumAnswers = 64

  /// Reads the body; every error names the field.
  init(_ body: JSONValue, defaults: SamplingParameters) throws(APIError) {
    var fields = try RequestFields(body)
    model = try fields.string("model")
    prompts = try Self.prompts(&fields)
    suffix = try fields.string("suffix")
    echoes = try fields.bool("echo") ?? false
    var generation = try GenerationFields(&fields, defaults: defaults)
    generation.maxTokens = generation.maxTokens ?? Self.defaultMaxTokens
    // Clients of the chat API say false for none.
    if fields.value("logprobs")?.bool != false {
      generation.topLogprobs = try fields.integer(
        "logprobs", in: 0...GenerationFields.maximumTopLogprobs)
    }
    self.generation = generation
    try check(bestOf: try fields.integer("best_of"))
    try fields.finish(ignoring: GenerationFields.ignored)
  }

  private static func prompts(_ fields: inout RequestFields) throws(APIError) -> [Prompt] {
    switch fields.value("prompt") {
    case .string(let text): return [.text(text)]
    case .array(let elements):
      guard let first = elements.first else { return [.tokens([])] }
      if first.number != nil { return [try tokens(elements)] }
      guard elements.count <= maximumPrompts else {
        throw .invalid(
          "prompt has \(elements.count) prompts; at most \(maximumPrompts) are allowed",
          param: "prompt")
      }
      var prompts: [Prompt] = []
      for element in elements {
        switch element {
        case .string(let text): prompts.append(.text(text))
        case .array(let ids): prompts.append(try tokens(ids))
        default: throw mixed
        }
      }
      return prompts
    default:
      throw .invalid(
        "prompt must be a string, an array of token ids, or an array of these", param: "prompt")
    }
  }

  private static let mixed = APIError.invalid(
    "prompt must be a string, an array of token ids, or an array of these", param: "prompt")

  private static func tokens(_ values: [JSONValue]) throws(APIError) -> Prompt {
    var tokens: [TokenID] = []
    tokens.reserveCapacity(values.count)
    for value in values {
      guard let token = value.integer.flatMap({ TokenID(exactly: $0) }) else { throw mixed }
      tokens.append(token)
    }
    return .tokens(tokens)
  }

  private func check(bestOf: Int?) throws(APIError) {
    if let bestOf, bestOf != generation.choices {
      throw .invalid("best_of must be n, not \(bestOf); all answers are returned", param: "best_of")
    }
    guard prompts.count * generation.choices <= Self.maximumAnswers else {
      throw .invalid(
        "prompts times n must be at most \(Self.maximumAnswers),"
          + " not \(prompts.count * generation.choices)", param: "n")
    }
    if suffix != nil, prompts.contains(where: { if case .tokens = $0 { true } else { false } }) {
      throw .invalid("suffix needs a prompt that is text", param: "suffix")
    }
    if echoes, generation.topLogprobs != nil {
      throw .invalid(
        "echo does not go together with logprobs: prompts have none here", param: "echo")
    }
  }
}
