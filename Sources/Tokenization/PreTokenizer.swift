/// How text is cut into pieces before bytes are merged; no merge crosses a cut.
///
/// Raw values are the names that GGUF files use (`tokenizer.ggml.pre`).
/// Source: the tokenizer.json of the models; Kimi-K2's from its tokenization code.
package enum PreTokenizer: String, CaseIterable, Sendable {
  case deepseekLLM = "deepseek-llm"
  case deepseekCoder = "deepseek-coder"
  case deepseekV3 = "deepseek-v3"
  case kimiK2 = "kimi-k2"

  /// Cuts the pieces of `text` around every match of the expressions, one expression after another.
  func cut(_ text: inout ScannedText) {
    switch self {
    case .deepseekLLM: text.cutDeepseekLLM()
    case .deepseekCoder: text.cutDeepseekCoder()
    case .deepseekV3: text.cutDeepseekV3()
    case .kimiK2: text.cutKimiK2()
    }
  }

  /// The pieces of a text, for tests and tools.
  package func pieces(of text: String) -> [String] {
    let bytes = Array(text.utf8)
    var scanned = ScannedText()
    scanned.scan(bytes, 0..<bytes.count)
    cut(&scanned)
    var pieces: [String] = []
    scanned.forEachPiece { pieces.append(String(decoding: bytes[$0], as: UTF8.self)) }
    return pieces
  }
}
