/// How a model writes calls of tools at the end of its answer.
///
/// An answer with calls is `text listOpening call {separator call} listClosing`, where a call is
/// `callOpening name afterName arguments callClosing`. The strings contain the texts of special
/// tokens, where a format has them.
public struct ToolSyntax: Hashable, Sendable {
  /// Before the first call.
  public let listOpening: String
  /// Before the name of a call.
  public let callOpening: String
  /// Between the name and the arguments, which are JSON.
  public let afterName: String
  /// After the arguments.
  public let callClosing: String
  /// Between calls.
  public let separator: String
  /// After the last call.
  public let listClosing: String
  /// What no other text of an answer contains: the calls begin with it.
  public let trigger: String

  /// V2.5, V3 and R1: marks, and the arguments as a block of code.
  public static let blocks = ToolSyntax(
    listOpening: "<｜tool▁calls▁begin｜>",
    callOpening: "<｜tool▁call▁begin｜>function<｜tool▁sep｜>", afterName: "\n```json\n",
    callClosing: "\n```<｜tool▁call▁end｜>", separator: "\n",
    listClosing: "<｜tool▁calls▁end｜>", trigger: "<｜tool▁calls▁begin｜>")

  /// V3.1: marks only.
  public static let marks = ToolSyntax(
    listOpening: "<｜tool▁calls▁begin｜>", callOpening: "<｜tool▁call▁begin｜>",
    afterName: "<｜tool▁sep｜>", callClosing: "<｜tool▁call▁end｜>", separator: "",
    listClosing: "<｜tool▁calls▁end｜>", trigger: "<｜tool▁calls▁begin｜>")

  /// Models without tokens for tools: plain text, explained in the prompt.
  public static let plain = ToolSyntax(
    listOpening: "", callOpening: "<tool_call>\n{\"name\": \"", afterName: "\", \"arguments\": ",
    callClosing: "}\n</tool_call>", separator: "\n", listClosing: "", trigger: "<tool_call>")

  /// The texts of special tokens that occur in it.
  public var markTexts: [String] {
    let text = [listOpening, callOpening, afterName, callClosing, listClosing].joined()
    return text.matches(of: /<｜[^｜]*｜>/).map { String($0.output) }
  }
}

extension Tokenizer {
  /// How this model writes calls of tools in a chat format: with its own marks when the format has
  /// them and the model all of their tokens, else as plain text.
  public func toolSyntax(of format: ChatFormat) -> ToolSyntax {
    let own: ToolSyntax? =
      switch format {
      case .deepseekV3, .deepseekR1: .blocks
      case .deepseekV3_1, .deepseekV3_1Thinking: .marks
      case .deepseek, .deepseekV2_0628, .deepseekCoder, .kimiK2: nil
      }
    guard let own, own.markTexts.allSatisfy({ specialToken($0) != nil }) else { return .plain }
    return own
  }
}
