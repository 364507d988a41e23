/// How a conversation is written for a model; the raw value is the name to choose it by.
public enum ChatFormat: String, CaseIterable, Sendable {
  /// `User: … Assistant: …`: LLM 7B/67B Chat, V2-Chat, V2-Lite-Chat, Coder-V2-Instruct.
  case deepseek
  /// V2-Chat-0628: marks for the turns, a blank line after the system message.
  case deepseekV2_0628 = "deepseek-v2-0628"
  /// V2.5, V3, V3-0324: marks for the turns, nothing after the system message.
  case deepseekV3 = "deepseek-v3"
  /// R1: as V3; the answer starts inside `<think>`.
  case deepseekR1 = "deepseek-r1"
  /// V3.1 without thinking.
  case deepseekV3_1 = "deepseek-v3.1"
  /// V3.1 with thinking.
  case deepseekV3_1Thinking = "deepseek-v3.1-thinking"
  /// Coder v1 Instruct: `### Instruction:` and `### Response:`.
  case deepseekCoder = "deepseek-coder"
  /// Kimi-K2 and Moonlight.
  case kimiK2 = "kimi-k2"

  /// How thinking shows in answers of this format; nil when it does not.
  public var reasoning: Reasoning? {
    switch self {
    case .deepseekR1, .deepseekV3_1Thinking: Reasoning()
    case .deepseek, .deepseekV2_0628, .deepseekV3, .deepseekV3_1, .deepseekCoder, .kimiK2: nil
    }
  }

  /// The prompt has opened the thinking part: the answer starts inside it and closes it.
  public struct Reasoning: Hashable, Sendable {
    /// Opens the thinking part, in the prompt.
    public let opening = "<think>"
    /// Closes it, in the answer.
    public let closing = "</think>"
  }
}
