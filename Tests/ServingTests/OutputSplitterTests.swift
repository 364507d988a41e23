import Serving
import Testing
import Tokenization

@Suite struct OutputSplitterTests {
  private static let thinking = AnswerLayout(reasoning: ChatFormat.deepseekR1.reasoning)
  private static let calling = AnswerLayout(tools: .plain)
  private static let both = AnswerLayout(
    reasoning: ChatFormat.deepseekR1.reasoning, tools: .plain)

  private static let twoCalls = #"""
    Well.
    <tool_call>
    {"name": "f", "arguments": {"a": "}\"{", "b": [1]}}
    </tool_call>
    <tool_call>
    {"name": "g", "arguments": {}}
    </tool_call>
    """#

  private static let cases:
    [(AnswerLayout, String, reasoning: String, text: String, calls: [String])] = [
      (AnswerLayout(), "a <tool_call> b </think>\n", "", "a <tool_call> b </think>\n", []),
      (thinking, "\nhm\n\n so\n</think>\n\nYes\n", "hm\n\n so", "Yes\n", []),
      (thinking, "never ends </thin", "never ends </thin", "", []),
      (thinking, "</think>x</think>y", "", "x</think>y", []),
      (thinking, "\n\n</think>\n", "", "", []),
      (calling, "a <tool <tool_cal", "", "a <tool <tool_cal", []),
      (calling, twoCalls, "", "Well.\n", [#"f {"a": "}\"{", "b": [1]}"#, "g {}"]),
      (calling, "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1", "", "", ["f {\"a\": 1"]),
      (calling, "<tool_call>\n{\"name\": \"f", "", "", []),
      (
        both, "so é\n</think>\n\nok<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>",
        "so é", "ok", ["f {}"]
      ),
      (
        both, "so\n<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call></think>",
        "so", "", ["f {}"]
      ),
    ]

  /// The parts are the same however the text comes.
  @Test(arguments: cases.indices, [1, 2, 3, 7, 1000])
  func partsAreToldApart(index: Int, size: Int) {
    let (layout, output, reasoning, text, calls) = Self.cases[index]
    var splitter = OutputSplitter(layout)
    var pieces: [AnswerPiece] = []
    var rest = Array(output)[...]
    while !rest.isEmpty {
      pieces += splitter.append(String(rest.prefix(size)))
      rest = rest.dropFirst(size)
    }
    pieces += splitter.finish()
    var found = (reasoning: "", text: "", calls: [String]())
    for piece in pieces {
      switch piece {
      case .reasoning(let more): found.reasoning += more
      case .text(let more): found.text += more
      case .call(let index, let name):
        #expect(index == found.calls.count)
        found.calls.append(name + " ")
      case .arguments(let index, let more): found.calls[index] += more
      }
    }
    #expect(found.reasoning == reasoning && found.text == text && found.calls == calls)
  }
}
