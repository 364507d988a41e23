import Foundation
import Inference

/// Which of the two shapes an answer has.
enum AnswerKind: Sendable {
  case chat
  case text
}

/// The constant parts of one answer, and how its pieces look as JSON.
struct AnswerFormat: Sendable {
  let kind: AnswerKind
  let id: String
  let created: Int
  let model: String
  let fingerprint: String?

  /// Starts an answer now.
  init(_ kind: AnswerKind, model: String, fingerprint: String?) {
    self.kind = kind
    self.model = model
    self.fingerprint = fingerprint
    let unique = UUID().uuidString.filter { $0 != "-" }.lowercased()
    id = (kind == .chat ? "chatcmpl-" : "cmpl-") + unique
    created = Int(Date().timeIntervalSince1970)
  }

  /// The answer in one piece.
  func whole(_ text: String, _ summary: GenerationSummary) -> Answer {
    let choice =
      switch kind {
      case .chat:
        Answer.Choice(
          message: .init(role: "assistant", content: text), finishReason: summary.finishReason)
      case .text: Answer.Choice(text: text, finishReason: summary.finishReason)
      }
    return answer(
      object: kind == .chat ? "chat.completion" : "text_completion", [choice],
      usage: Answer.Usage(summary))
  }

  /// The first event of a chat stream, which names the role; text streams have none.
  var opening: Answer? {
    guard kind == .chat else { return nil }
    return part(Answer.Choice(delta: .init(role: "assistant", content: "")))
  }

  /// An event with the next characters.
  func part(_ text: String) -> Answer {
    part(kind == .chat ? Answer.Choice(delta: .init(content: text)) : Answer.Choice(text: text))
  }

  /// The event that says why the answer ended.
  func closing(_ reason: FinishReason) -> Answer {
    part(
      kind == .chat
        ? Answer.Choice(delta: .init(), finishReason: reason)
        : Answer.Choice(text: "", finishReason: reason))
  }

  /// The event with the token counts, which has no choices.
  func usage(_ summary: GenerationSummary) -> Answer {
    answer(object: partObject, [], usage: Answer.Usage(summary))
  }

  private var partObject: String { kind == .chat ? "chat.completion.chunk" : "text_completion" }

  private func part(_ choice: Answer.Choice) -> Answer {
    answer(object: partObject, [choice], usage: nil)
  }

  private func answer(object: String, _ choices: [Answer.Choice], usage: Answer.Usage?) -> Answer {
    Answer(
      id: id, object: object, created: created, model: model, systemFingerprint: fingerprint,
      choices: choices, usage: usage)
  }
}

/// A completion object or one event of its stream.
struct Answer: Encodable, Sendable {
  let id: String
  let object: String
  let created: Int
  let model: String
  let systemFingerprint: String?
  let choices: [Choice]
  let usage: Usage?

  private enum CodingKeys: String, CodingKey {
    case id, object, created, model, choices, usage
    case systemFingerprint = "system_fingerprint"
  }

  /// The only choice; `finish_reason` and `logprobs` are present even when null.
  struct Choice: Encodable, Sendable {
    var message: Message?
    var delta: Delta?
    var text: String?
    var finishReason: FinishReason?

    private enum CodingKeys: String, CodingKey {
      case index, message, delta, text, logprobs
      case finishReason = "finish_reason"
    }

    func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(0, forKey: .index)
      try container.encodeIfPresent(message, forKey: .message)
      try container.encodeIfPresent(delta, forKey: .delta)
      try container.encodeIfPresent(text, forKey: .text)
      try container.encodeNil(forKey: .logprobs)
      try container.encode(finishReason?.rawValue, forKey: .finishReason)
    }
  }

  struct Message: Encodable, Sendable {
    let role: String
    let content: String
  }

  struct Delta: Encodable, Sendable {
    var role: String?
    var content: String?
  }

  struct Usage: Encodable, Sendable {
    struct Details: Encodable, Sendable {
      let cachedTokens: Int
      private enum CodingKeys: String, CodingKey { case cachedTokens = "cached_tokens" }
    }

    let promptTokens: Int
    let completionTokens: Int
    let totalTokens: Int
    let promptTokensDetails: Details

    init(_ summary: GenerationSummary) {
      promptTokens = summary.promptTokens
      completionTokens = summary.outputTokens
      totalTokens = summary.promptTokens + summary.outputTokens
      promptTokensDetails = Details(cachedTokens: summary.cachedPromptTokens)
    }

    private enum CodingKeys: String, CodingKey {
      case promptTokens = "prompt_tokens"
      case completionTokens = "completion_tokens"
      case totalTokens = "total_tokens"
      case promptTokensDetails = "prompt_tokens_details"
    }
  }
}
