import Testing
import Tokenization

@Suite struct PreTokenizerTests {
  @Test(
    "hand-made cases",
    arguments: [
      (PreTokenizer.deepseekLLM, "\n\n", ["\n", "\n"]),
      (.deepseekLLM, "  x", [" ", " x"]),
      (.deepseekLLM, "123", ["1", "2", "3"]),
      (.deepseekLLM, "a  ", ["a", "  "]),
      (.deepseekLLM, "é x", ["é", " x"]),
      // U+3000 is punctuation here (as for Hugging Face), not only white space.
      (.deepseekLLM, "\u{3000}\u{3000}你", ["\u{3000}\u{3000}", "你"]),
      // Letters taken by the second expression are cut again by the third, which holds `:-~`.
      (.deepseekLLM, " café!", [" caf", "é", "!"]),
      (.deepseekCoder, " café!", [" café", "!"]),
      (.deepseekCoder, "x = 12", ["x", " = ", "1", "2"]),
      (.deepseekV3, "12345678", ["123", "456", "78"]),
      (.deepseekV3, "  return x", [" ", " return", " x"]),
      (.deepseekV3, "(foo) $bar", ["(foo", ")", " $", "bar"]),
      (.deepseekV3, "a \n\n b", ["a", " \n\n", " b"]),
      (.deepseekV3, "你好world", ["你好", "world"]),
      (.deepseekV3, "!!!\r\n\nx", ["!!!\r\n\n", "x"]),
      (.kimiK2, "HTTPServer's", ["HTTPServer's"]),
      (.kimiK2, "camelCase", ["camel", "Case"]),
      (.kimiK2, "你好world", ["你好", "world"]),
    ])
  func pieces(preTokenizer: PreTokenizer, text: String, pieces: [String]) {
    #expect(preTokenizer.pieces(of: text).map { Array($0.utf8) } == pieces.map { Array($0.utf8) })
  }

  @Test("pieces make up the text", arguments: PreTokenizer.allCases)
  func nothingIsLost(preTokenizer: PreTokenizer) {
    var generator = SeededGenerator(seed: 11)
    for length in 0..<200 {
      let text = generator.text(count: length)
      let joined = preTokenizer.pieces(of: text).flatMap { Array($0.utf8) }
      #expect(joined == Array(text.utf8), "seed 11, length \(length)")
    }
  }

  @Test func theCategoryTableIsThatOfUnicode16() {
    let table = ScalarClasses.table
    var counts = (letters: 0, marks: 0, numbers: 0, punctuation: 0, symbols: 0, spaces: 0)
    for scalar in UInt32(0)...0x10FFFF {
      let found = table[scalar]
      if !found.isDisjoint(with: .letter) { counts.letters += 1 }
      if found.contains(.mark) { counts.marks += 1 }
      if found.contains(.number) { counts.numbers += 1 }
      if found.contains(.punctuation) { counts.punctuation += 1 }
      if found.contains(.symbol) { counts.symbols += 1 }
      if found.contains(.whitespace) { counts.spaces += 1 }
    }
    #expect(counts == (141_028, 2_501, 1_911, 855, 8_514, 25))
    #expect(table[0x110000] == [] && table[.max] == [])
  }
}
