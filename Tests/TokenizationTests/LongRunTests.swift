import TestSupport
import Testing
import Tokenization

/// Texts on which merging or cutting in quadratic time would take minutes: the limit ends a hang,
/// it measures nothing.
@Suite(.serialized, .timeLimit(.minutes(10))) struct LongRunTests {
  @Test(
    "a long run of one symbol comes back",
    arguments: ["a", " ", "\n", "\r\n", "😀", "你", "1", "=", "\u{301}", "<"])
  func longRuns(unit: String) throws {
    for name in VectorTests.names {
      let tokenizer = try Vocabularies.tokenizer(name)
      let text = String(repeating: unit, count: 1_000_000 / unit.utf8.count) + "你"
      let ids = tokenizer.encode(text, addBOS: false)
      #expect(tokenizer.decode(ids).utf8.elementsEqual(text.utf8), "\(name)")
    }
  }

  @Test(
    "a long run is cut without a gap", arguments: [PreTokenizer.deepseekV3, .kimiK2])
  func longPieces(preTokenizer: PreTokenizer) {
    for unit in ["a", "A", " ", "\n", "\u{301}", "1", "=", "'s", "你", " \n"] {
      let text = String(repeating: unit, count: 300_000 / unit.utf8.count) + "你"
      let cut = preTokenizer.pieces(of: text).reduce(0) { $0 + $1.utf8.count }
      #expect(cut == text.utf8.count, "\(unit.debugDescription)")
    }
  }
}
