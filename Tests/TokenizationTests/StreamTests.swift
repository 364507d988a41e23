import TestSupport
import Testing
import Tokenization

@Suite struct StreamTests {
  @Test("what was encoded is decoded", arguments: VectorTests.names)
  func roundTrip(name: String) throws {
    let tokenizer = try Vocabularies.tokenizer(name)
    var generator = SeededGenerator(seed: 3)
    for length in 0..<300 {
      let text = generator.text(count: length)
      let ids = tokenizer.encode(text, specials: false, addBOS: false)
      #expect(Array(tokenizer.decode(ids).utf8) == Array(text.utf8), "seed 3, length \(length)")
      #expect(stream(ids, tokenizer) == Array(text.utf8), "seed 3, length \(length)")
    }
  }

  @Test func anyTokensStreamToWhatTheyDecodeTo() throws {
    let tokenizer = try Vocabularies.llm.get()
    let bytes = (TokenID(0)..<1000).filter { tokenizer.bytes(of: $0).count == 1 }
    #expect(bytes.count > 240)
    var generator = SeededGenerator(seed: 5)
    for _ in 0..<2000 {
      let ids = (0..<12).map { _ in bytes.randomElement(using: &generator)! }
      #expect(stream(ids, tokenizer) == Array(tokenizer.decode(ids).utf8), "seed 5: \(ids)")
    }
  }

  @Test func anUnfinishedCharacterIsHeldBack() throws {
    let tokenizer = try VocabularyFile().tokenizer()
    var decoder = StreamDecoder(tokenizer)
    // The first 256 tokens of this vocabulary are the bytes.
    #expect([0xF0, 0x9F, 0x98].map { decoder.append($0) } == ["", "", ""])
    #expect(decoder.append(0x80) == "😀")
    #expect(decoder.append(0xE4) == "")
    #expect(decoder.append(0x41) == "\u{FFFD}A")
    #expect(decoder.append(0xE0) == "")
    #expect(decoder.append(0x80) == "\u{FFFD}\u{FFFD}")
    #expect(decoder.append(0xC3) == "")
    #expect(decoder.finish() == "\u{FFFD}")
    #expect(decoder.finish() == "")
  }

  @Test func controlTokensWriteNothing() throws {
    let tokenizer = try Vocabularies.llm.get()
    let ids = tokenizer.encode("a<｜end▁of▁sentence｜>b", addBOS: true)
    #expect(ids.first == tokenizer.bos && ids.contains(100_001))
    #expect(tokenizer.decode(ids) == "ab")
    #expect(tokenizer.bytes(of: 100_001).isEmpty && tokenizer.isControl(100_001))
    #expect(tokenizer.name(of: 100_001) == "<｜end▁of▁sentence｜>")
    #expect(tokenizer.bytes(of: -1).isEmpty && tokenizer.bytes(of: .max).isEmpty)
  }

  private func stream(_ ids: [TokenID], _ tokenizer: Tokenizer) -> [UInt8] {
    var decoder = StreamDecoder(tokenizer)
    var text = ids.map { decoder.append($0) }.joined()
    text += decoder.finish()
    return Array(text.utf8)
  }
}

@Suite struct StopStringTests {
  @Test(
    "the text before the stop string",
    arguments: [
      (["User:"], "Hello\n\nUser: x", "Hello\n\n"),
      (["\n\n"], "a\nb\n\nc", "a\nb"),
      (["aab"], "aaab", "a"),
      (["abc", "b"], "xabc", "xa"),
      (["b", "ab"], "xab", "x"),
      (["ж"], "абвгдж!", "абвгд"),
      (["e\u{301}"], "é e\u{301}", "é "),
      (["", "z"], "xyz", "xy"),
    ])
  func cut(strings: [String], text: String, before: String) {
    for size in 1...4 {
      let (result, stopped) = run(strings, text, chunk: size)
      #expect(stopped && Array(result.utf8) == Array(before.utf8), "in pieces of \(size)")
    }
  }

  @Test func textWithoutStopStringComesThroughWhole() {
    #expect(run(["User:"], "Use User Us", chunk: 1) == ("Use User Us", false))
    #expect(run([], "anything", chunk: 3) == ("anything", false))
  }

  @Test func aPossibleStartIsHeldBack() {
    var stops = StopStrings(["User:"])
    #expect(stops.append("one U") == ("one ", false))
    #expect(stops.append("se") == ("", false))
    #expect(stops.append("d") == ("Used", false))
    #expect(stops.append(" User") == (" ", false))
    #expect(stops.finish() == "User")
    #expect(stops.append(":") == (":", false))
    #expect(stops.append("a User:b") == ("a ", true))
    #expect(stops.append("more") == ("", true))
  }

  private func run(_ strings: [String], _ text: String, chunk: Int) -> (String, Bool) {
    var stops = StopStrings(strings)
    var result = ""
    var rest = Array(text.unicodeScalars)[...]
    while !rest.isEmpty {
      var piece = String.UnicodeScalarView()
      piece.append(contentsOf: rest.prefix(chunk))
      rest = rest.dropFirst(chunk)
      let (emit, stopped) = stops.append(String(piece))
      result += emit
      if stopped { return (result, true) }
    }
    return (result + stops.finish(), false)
  }
}
