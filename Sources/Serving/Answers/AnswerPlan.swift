import Constraints
import Inference
package import Tokenization

/// What a request comes to: prompts for the engine, and how to read what it writes.
struct AnswerPlan: Sendable {
  /// One or more prompts, each answered `fields.choices` times.
  var prompts: [[TokenID]]
  var fields: GenerationFields
  var layout = AnswerLayout()
  /// What the answer has to look like; nil: like anything.
  var shape: AnswerShape?

  /// How many answers there will be.
  var answerCount: Int { prompts.count * fields.choices }
}

/// The parts that an answer's text has.
package struct AnswerLayout: Sendable, Equatable {
  /// Dropped when the answer begins with it.
  var answerPrefix = ""
  /// How thinking ends; nil when the answer does not start with it.
  var reasoning: ChatFormat.Reasoning?
  /// How calls of tools look; nil when there are none.
  var tools: ToolSyntax?
  /// Control tokens that are part of the text, because the layout is recognised by them.
  var shownTokens: Set<TokenID> = []
  /// Put before the answers, one text per prompt.
  var echo: [String] = []

  /// Text, after thinking and before calls where there are such.
  package init(reasoning: ChatFormat.Reasoning? = nil, tools: ToolSyntax? = nil) {
    self.reasoning = reasoning
    self.tools = tools
  }
}

/// The constant parts of one answer.
struct AnswerTicket: Sendable, Equatable {
  let id: String
  let created: Int
  let model: String
  let fingerprint: String?
}

/// A part of an answer, as it is told to the client.
package enum AnswerPiece: Sendable, Equatable {
  /// Thinking ahead of the answer.
  case reasoning(String)
  /// The answer.
  case text(String)
  /// A call of a tool begins.
  case call(index: Int, name: String)
  /// A part of the arguments of a call.
  case arguments(index: Int, String)
}

/// How one answer has ended.
struct AnswerEnding: Sendable, Equatable {
  let finishReason: FinishReason
  let callCount: Int
  let promptTokens: Int
  let cachedPromptTokens: Int
  let outputTokens: Int
  let reasoningTokens: Int

  /// The reason by its name in the completions API.
  var reasonName: String {
    callCount > 0 && finishReason == .stop ? "tool_calls" : finishReason.rawValue
  }
}

/// The tokens of all answers to a request.
struct AnswerUsage: Sendable, Equatable {
  private(set) var promptTokens = 0
  private(set) var cachedTokens = 0
  private(set) var outputTokens = 0
  private(set) var reasoningTokens = 0

  /// Answers to the same prompt count its tokens once; `choices` is how many there are to each.
  init(_ endings: [AnswerEnding], choices: Int) {
    for (index, ending) in endings.enumerated() {
      if index % max(choices, 1) == 0 {
        promptTokens += ending.promptTokens
        cachedTokens += ending.cachedPromptTokens
      }
      outputTokens += ending.outputTokens
      reasoningTokens += ending.reasoningTokens
    }
  }
}
