import Inference
import ModelFiles
import Tokenization

/// The body of `POST /v1/chat/completions`.
struct ChatCompletionsBody {
  let model: String?
  let messages: [ChatMessage]
  let tools: ToolFields
  let generation: GenerationFields
  /// Whether the model shall think first, where it can do both.
  let thinks: Bool?

  /// Reads the body; every error names the field.
  init(_ body: JSONValue, defaults: SamplingParameters) throws(APIError) {
    var fields = try RequestFields(body)
    model = try fields.string("model")
    messages = try MessageFields(try fields.array("messages") ?? []).messages
    var generation = try GenerationFields(&fields, defaults: defaults)
    tools = try ToolFields(&fields)
    generation.topLogprobs = try Self.topLogprobs(&fields)
    self.generation = generation
    thinks = try Self.thinking(&fields)
    try Self.refuseModalities(&fields)
    if generation.ignoresEndOfText, !tools.active.isEmpty {
      throw .invalid("ignore_eos does not go together with tools", param: "ignore_eos")
    }
    try fields.finish(ignoring: GenerationFields.ignored)
  }

  private static func topLogprobs(_ fields: inout RequestFields) throws(APIError) -> Int? {
    let isWanted = try fields.bool("logprobs") ?? false
    let count = try fields.integer("top_logprobs", in: 0...GenerationFields.maximumTopLogprobs)
    if let count, count > 0, !isWanted {
      throw .invalid("top_logprobs is allowed only when logprobs is true", param: "top_logprobs")
    }
    return isWanted ? count ?? 0 : nil
  }

  /// Text is all there is.
  private static func refuseModalities(_ fields: inout RequestFields) throws(APIError) {
    guard let values = try fields.array("modalities") else { return }
    guard values == [.string("text")] else {
      throw .invalid(
        "modalities must be [\"text\"]; this model writes nothing else", param: "modalities",
        code: "unsupported_value")
    }
  }

  /// DeepSeek's `thinking`, vLLM's `chat_template_kwargs`, OpenAI's `reasoning_effort`.
  private static func thinking(_ fields: inout RequestFields) throws(APIError) -> Bool? {
    var thinks: Bool?
    if let value = fields.value("chat_template_kwargs") {
      var options = try RequestFields(value, path: "chat_template_kwargs")
      for name in ["thinking", "enable_thinking"] {
        if let flag = try options.bool(name) { thinks = flag }
      }
      try options.finish()
    }
    if let value = fields.value("thinking") {
      var options = try RequestFields(value, path: "thinking")
      if let word = try options.word("type", of: ["enabled", "disabled", "auto"]) {
        thinks = word == "auto" ? nil : word == "enabled"
      }
      _ = try options.integer("budget_tokens")  // max_tokens is the only limit
      try options.finish()
    }
    let efforts = ["none", "minimal", "low", "medium", "high", "xhigh"]
    if try fields.word("reasoning_effort", of: efforts) == "none" { thinks = false }
    return thinks
  }
}
