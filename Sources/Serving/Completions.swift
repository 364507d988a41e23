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
  let prompt: Prompt
  /// What follows the gap that the model shall fill.
  let suffix: String?
  let generation: GenerationFields

  /// OpenAI's default of `max_tokens` for this endpoint.
  static let defaultMaxTokens = 16

  /// Reads the body; every error names the field.
  init(_ body: JSONValue, defaults: SamplingParameters) throws(APIError) {
    var fields = try RequestFields(body)
    model = try fields.string("model")
    prompt = try Self.prompt(&fields)
    suffix = try fields.string("suffix")
    var generation = try GenerationFields(&fields, defaults: defaults)
    generation.maxTokens = generation.maxTokens ?? Self.defaultMaxTokens
    self.generation = generation
    try Self.refuseUnsupported(&fields)
    try fields.finish(ignoring: GenerationFields.ignored)
  }

  private static func prompt(_ fields: inout RequestFields) throws(APIError) -> Prompt {
    switch fields.value("prompt") {
    case .string(let text): return .text(text)
    case .array(let elements):
      if elements.count == 1, case .string(let text) = elements[0] { return .text(text) }
      if elements.count == 1, case .array(let ids) = elements[0] { return try tokens(ids) }
      return try tokens(elements)
    default:
      throw .invalid("prompt must be a string or an array of token ids", param: "prompt")
    }
  }

  private static func tokens(_ values: [JSONValue]) throws(APIError) -> Prompt {
    var tokens: [TokenID] = []
    tokens.reserveCapacity(values.count)
    for value in values {
      guard let token = value.integer.flatMap({ TokenID(exactly: $0) }) else {
        throw .invalid(
          "prompt must be one string or one array of token ids; send several requests for several"
            + " prompts", param: "prompt")
      }
      tokens.append(token)
    }
    return .tokens(tokens)
  }

  private static func refuseUnsupported(_ fields: inout RequestFields) throws(APIError) {
    if let value = try fields.integer("best_of"), value != 1 {
      throw .invalid("best_of must be 1, not \(value)", param: "best_of")
    }
    if try fields.bool("echo") == true {
      throw .invalid("echo is not supported by this server; leave it out", param: "echo")
    }
    if try fields.integer("logprobs") != nil {
      throw .invalid("logprobs is not supported by this server; leave it out", param: "logprobs")
    }
  }
}
