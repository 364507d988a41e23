import Constraints
import Inference
import ModelFiles
import Testing
import Tokenization

@Suite(.timeLimit(.minutes(10))) struct RandomAnswerTests {
  /// Whatever is drawn among the allowed tokens ends as JSON that fits the schema.
  @Test(arguments: Schemas.all)
  func randomAnswersFitTheirSchema(schema: String) throws {
    // What a pattern waits for comes late in a random text.
    let seeds: Range<UInt64> = 0..<(Schemas.texts.contains(schema) ? 12 : 40)
    let schema = try json(schema)
    let automaton = TokenAutomaton(try Grammar(.json(schema: schema)), Vocabulary.demo)
    for seed in seeds {
      var random = SeededRandom(seed: seed)
      var answer = RandomAnswer(automaton)
      answer.write(tokens: Int.random(in: 0...60, using: &random), &random)
      answer.close(&random)
      #expect(answer.hasEnded && !answer.isStuck, "seed \(seed): \(answer.text)")
      #expect(String(validating: answer.bytes, as: UTF8.self) != nil, "seed \(seed)")
      guard let value = try value(of: answer) else { continue }
      #expect(SchemaChecker(root: schema).fits(value, schema), "seed \(seed): \(answer.text)")
    }
  }

  @Test func randomObjectsAreJSON() throws {
    let automaton = TokenAutomaton(try Grammar(.jsonObject), Vocabulary.demo)
    var parsed = 0
    for seed in 0..<200 as Range<UInt64> {
      var random = SeededRandom(seed: seed)
      var answer = RandomAnswer(automaton)
      answer.write(tokens: 120, &random)
      answer.close(&random)
      #expect(answer.hasEnded && !answer.isStuck, "seed \(seed): \(answer.text)")
      parsed += try value(of: answer) == nil ? 0 : 1
    }
    #expect(parsed > 150)
  }

  /// The mask says the same as trying every token.
  @Test func masksAreExact() throws {
    let automaton = TokenAutomaton(
      try Grammar(.json(schema: json(Schemas.person))), Vocabulary.demo)
    var matcher = TokenMatcher(automaton)
    var random = SeededRandom(seed: 5)
    for _ in 0..<60 {
      let (mask, _) = matcher.allowed(of: Vocabulary.count)
      for token in 0..<TokenID(Vocabulary.count) {
        var copy = matcher
        let isStop = Vocabulary.tokenizer.stopTokens.contains(token)
        let isRight = isStop ? matcher.isComplete : copy.accept(token)
        #expect(mask.contains(token) == isRight, "\(token)")
      }
      let next = (0..<TokenID(Vocabulary.count)).filter(mask.contains)
        .filter { !Vocabulary.tokenizer.stopTokens.contains($0) }
      guard let token = next.randomElement(using: &random), matcher.accept(token) else { break }
    }
  }

  @Test func knownStatesCostNothing() throws {
    let automaton = TokenAutomaton(try Grammar(.jsonObject), Vocabulary.demo)
    let matcher = TokenMatcher(automaton)
    let (first, work) = matcher.allowed(of: Vocabulary.count)
    let (second, again) = TokenMatcher(automaton).allowed(of: Vocabulary.count)
    #expect(first == second && work > 1 && again == 1)
  }

  @Test func marksAreTokensOfTheirOwn() throws {
    let tree = VocabularyTree([(0, [0x61]), (1, [0x62]), (2, [0x61, 0x62])], stopTokens: [5])
    let grammar = try Grammar(
      .sequence([.anyText(without: nil), .optional(.sequence([.mark(4), .text("ab")]))]))
    var matcher = TokenMatcher(TokenAutomaton(grammar, tree))
    func allowed() -> [TokenID] {
      let (mask, _) = matcher.allowed(of: 7)
      return (0..<7).filter(mask.contains)
    }
    #expect(allowed() == [0, 1, 2, 4, 5])
    for (token, isAllowed) in [(3, false), (6, false), (1, true), (4, true)] as [(TokenID, Bool)] {
      let accepted = matcher.accept(token)
      #expect(accepted == isAllowed)
    }
    #expect(allowed() == [0, 2])
    _ = matcher.accept(0)
    #expect(allowed() == [1])
    _ = matcher.accept(1)
    #expect(allowed() == [5] && matcher.isComplete)
  }

  /// The value of an answer; nil when a free name occurs twice, which a grammar cannot know and our
  /// own reader refuses.
  private func value(of answer: RandomAnswer) throws -> JSONValue? {
    do {
      return try json(answer.text)
    } catch let error as JSONError where error.problem.contains("appears twice") {
      return nil
    }
  }
}
