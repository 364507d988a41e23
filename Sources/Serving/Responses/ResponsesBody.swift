import Inference
import ModelFiles
import Tokenization

/// What a response object repeats of its request.
struct ResponseSettings: Sendable, Equatable {
  let echo: JSONObject
  let showsLogProbabilities: Bool
}

/// The body of `POST /v1/responses`.
struct ResponsesBody {
  let model: String?
  let messages: [ChatMessage]
  let tools: ToolFields
  let generation: GenerationFields
  let settings: ResponseSettings
  let thinks: Bool?

  /// Reads the body; every error names the field.
  init(_ body: JSONValue, defaults: SamplingParameters) throws(APIError) {
    var fields = try RequestFields(body)
    model = try fields.string("model")
    try Self.refuseState(&fields)
    let instructions = try fields.string("instructions")
    messages = try ResponseInput(&fields, instructions: instructions).messages
    for name in ["n", "response_format", "max_tokens", "max_completion_tokens"]
    where fields.value(name) != nil {
      throw .invalid(
        "\(name) is a field of chat completions; responses have max_output_tokens and text.format",
        param: name, code: "unknown_parameter")
    }
    var generation = try GenerationFields(&fields, defaults: defaults)
    generation.maxTokens = try fields.integer("max_output_tokens", in: 1...(1 << 30))
    generation.format = try Self.format(&fields)
    tools = try ToolFields(&fields, isFlat: true)
    if generation.ignoresEndOfText, generation.format != .text || !tools.active.isEmpty {
      throw .invalid(
        "ignore_eos does not go together with tools or text.format", param: "ignore_eos")
    }
    generation.topLogprobs = try Self.topLogprobs(&fields)
    thinks = try Self.thinking(&fields)
    if let word = try fields.string("truncation"), word != "disabled" {
      throw .invalid(
        "truncation must be disabled; shorten the input instead", param: "truncation",
        code: "unsupported_value")
    }
    self.generation = generation
    settings = ResponseSettings(
      echo: Self.echo(body, generation), showsLogProbabilities: generation.topLogprobs != nil)
    try fields.finish(ignoring: GenerationFields.ignored.union(["max_tool_calls"]))
  }

  /// Nothing of a response is kept here, so nothing can be referred to.
  private static func refuseState(_ fields: inout RequestFields) throws(APIError) {
    for name in ["previous_response_id", "conversation", "prompt"] where fields.value(name) != nil {
      throw .invalid(
        "\(name) is not supported: this server keeps no responses; send the whole input",
        param: name, code: "unsupported_parameter")
    }
    for name in ["store", "background"] where try fields.bool(name) == true {
      throw .invalid(
        "\(name) must be false: this server keeps no responses", param: name,
        code: "unsupported_value")
    }
  }

  private static func format(_ fields: inout RequestFields) throws(APIError) -> ResponseFormat {
    guard let value = fields.value("text") else { return .text }
    var text = try RequestFields(value, path: "text")
    let format = try text.value("format").map { value throws(APIError) in
      try ResponseFormat(responses: value)
    }
    _ = try text.word("verbosity", of: ["low", "medium", "high"])
    try text.finish()
    return format ?? .text
  }

  private static func topLogprobs(_ fields: inout RequestFields) throws(APIError) -> Int? {
    let count = try fields.integer("top_logprobs", in: 0...GenerationFields.maximumTopLogprobs)
    var isWanted = (count ?? 0) > 0
    for (index, value) in (try fields.array("include") ?? []).enumerated() {
      switch value.string {
      case "message.output_text.logprobs": isWanted = true
      case "reasoning.encrypted_content": break  // thinking is sent as it is
      default:
        throw .invalid(
          "include[\(index)] is not supported by this server", param: "include[\(index)]",
          code: "unsupported_value")
      }
    }
    return isWanted ? count ?? 0 : nil
  }

  private static func thinking(_ fields: inout RequestFields) throws(APIError) -> Bool? {
    guard let value = fields.value("reasoning") else { return nil }
    var reasoning = try RequestFields(value, path: "reasoning")
    let efforts = ["none", "minimal", "low", "medium", "high", "xhigh"]
    let effort = try reasoning.word("effort", of: efforts)
    for name in ["summary", "generate_summary"] {
      _ = try reasoning.word(name, of: ["auto", "concise", "detailed"])
    }
    try reasoning.finish()
    return effort == "none" ? false : effort.map { _ in true }
  }

  /// The members of a response that come from its request.
  private static func echo(_ body: JSONValue, _ generation: GenerationFields) -> JSONObject {
    func given(_ name: String, else value: JSONValue = .null) -> JSONValue {
      guard let given = body[name], !given.isNull else { return value }
      return given
    }
    func number(_ value: Float) -> JSONValue { .number(Double("\(value)") ?? Double(value)) }
    var echo = JSONObject()
    for (name, value) in [("background", false), ("service_tier", "default"), ("store", false)]
      as [(String, JSONValue)]
    {
      echo.add(name, value)
    }
    for name in ["instructions", "max_output_tokens", "user"] { echo.add(name, given(name)) }
    for name in ["max_tool_calls", "previous_response_id"] { echo.add(name, .null) }
    echo.add("metadata", given("metadata", else: .object(JSONObject())))
    echo.add("parallel_tool_calls", given("parallel_tool_calls", else: true))
    let effort = body["reasoning"]?["effort"] ?? .null
    echo.add("reasoning", ["effort": effort, "summary": .null])
    echo.add("temperature", number(generation.sampling.temperature))
    let format = body["text"]?["format"] ?? .null
    echo.add("text", ["format": format.isNull ? ["type": "text"] : format])
    echo.add("tool_choice", given("tool_choice", else: "auto"))
    echo.add("tools", given("tools", else: []))
    echo.add("top_logprobs", .integer(generation.topLogprobs ?? 0))
    echo.add("top_p", number(generation.sampling.topP))
    echo.add("truncation", "disabled")
    return echo
  }
}
