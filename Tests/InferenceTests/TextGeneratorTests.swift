import Inference
import Testing
import Tokenization

private struct StepFailure: Error, CustomStringConvertible {
  var description: String { "layer 3: worker 2 is gone; check that worker's log" }
}

@Suite struct TextGeneratorTests {
  let log = ScriptedModel.Log()

  private func generator(
    _ answer: String, contextLength: Int = 4096, maxStepRows: Int = 16, reusesPrefix: Bool = false,
    beforeStep: @escaping @Sendable (Int) throws -> Void = { _ in }
  ) throws -> TextGenerator<ScriptedModel> {
    let model = ScriptedModel(
      answer: tokens(answer), tokenizer: demoTokenizer, contextLength: contextLength,
      maxStepRows: maxStepRows, log: log, beforeStep: beforeStep)
    return try TextGenerator(model, tokenizer: demoTokenizer, reusesPrefix: reusesPrefix)
  }

  /// The text, the tokens and the summary of a request.
  private func run(
    _ request: GenerationRequest, on generator: TextGenerator<ScriptedModel>
  ) throws -> (text: String, tokens: [TokenID], summary: GenerationSummary) {
    var text = ""
    var ids: [TokenID] = []
    var last: GenerationEvent?
    let summary = try generator.generate(request) { event in
      last = event
      switch event {
      case .token(let id): ids.append(id)
      case .text(let more):
        #expect(!more.isEmpty)
        text += more
      case .finished, .logProbabilities: break
      }
    }
    #expect(last == .finished(summary))
    return (text, ids, summary)
  }

  private func request(
    _ prompt: String = "Hello", maxTokens: Int? = nil, stop: [String] = []
  ) -> GenerationRequest {
    GenerationRequest(
      prompt: tokens(prompt), maxTokens: maxTokens, stopStrings: stop,
      stopTokens: demoTokenizer.stopTokens)
  }

  @Test func anAnswerEndsAtTheStopToken() throws {
    let (text, ids, summary) = try run(request(), on: generator("Nice to meet you."))
    #expect(text == "Nice to meet you.")
    #expect(ids == tokens("Nice to meet you."))
    #expect(summary.finishReason == .stop)
    #expect(summary.promptTokens == tokens("Hello").count)
    #expect(summary.outputTokens == ids.count)
  }

  @Test func withoutStopTokensItRunsOn() throws {
    var request = request(maxTokens: 30)
    request.stopTokens = []
    let (_, ids, summary) = try run(request, on: generator("Hi"))
    #expect(ids.count == 30 && summary.finishReason == .length)
  }

  @Test func anAnswerEndsAtItsLength() throws {
    let (_, ids, summary) = try run(request(maxTokens: 3), on: generator("one two three four"))
    #expect(ids == Array(tokens("one two three four").prefix(3)))
    #expect(summary.finishReason == .length)
    #expect(summary.outputTokens == 3)
    #expect(log.all.count == 3)  // the last token needs no step of its own
  }

  @Test func charactersOfSeveralTokensComeOutWhole() throws {
    let answer = "Grüße 👋🏽 an 世界!"
    #expect(try run(request(), on: generator(answer)).text == answer)
    // Cut inside a character, the rest becomes one replacement character.
    let cut = try run(request(maxTokens: 1), on: generator("👋"))
    #expect(tokens("👋").count > 1)
    #expect(cut.text == "\u{FFFD}")
  }

  @Test(arguments: [
    ("one two three", [" two"], "one"), ("one two three", ["tw"], "one "),
    ("one two three", ["o t"], "one tw"), ("one two three", ["e three", "three"], "one two "),
    ("one two three", ["x"], "one two three"), ("one two three", ["threes"], "one two three"),
    ("one two three", ["o"], ""), ("Grüße", ["ü"], "Gr"),
  ])
  func stopStringsAreFoundAcrossTokens(
    answer: String, stop: [String], expected: String
  ) throws {
    let (text, _, summary) = try run(request(stop: stop), on: generator(answer))
    #expect(text == expected)
    #expect(summary.finishReason == .stop)
  }

  @Test(arguments: [
    (" Hello", " ", "Hello"), ("  Hello", " ", " Hello"), ("Hello", " ", "Hello"),
    ("abcd", "abc", "d"), ("abd", "abc", "abd"), ("ab", "abc", "ab"), ("abc", "abc", ""),
  ])
  func aPrefixIsTakenOff(answer: String, prefix: String, expected: String) throws {
    var request = request("Say it")
    request.answerPrefix = prefix
    #expect(try run(request, on: generator(answer)).text == expected)
  }

  @Test func heldBackTextComesOutAtTheLengthLimit() throws {
    let answer = tokens("abc")
    let request = request(maxTokens: answer.count, stop: ["abcd"])
    #expect(try run(request, on: generator("abc")).text == "abc")
  }

  @Test(arguments: [1, 3, 7, 16])
  func promptsRunInChunks(rows: Int) throws {
    let prompt = "The quick brown fox jumps over the lazy dog, again and again."
    _ = try run(request(prompt, maxTokens: 1), on: generator("x", maxStepRows: rows))
    #expect(log.all.flatMap { $0 } == tokens(prompt))
    #expect(log.all.dropLast().allSatisfy { $0.count == rows })
  }

  @Test func requestsThatCannotRunAreRefused() throws {
    let generator = try generator("x", contextLength: 10)
    func error(_ request: GenerationRequest) -> String? {
      do {
        try generator.generate(request) { _ in }
        return nil
      } catch { return "\(error)" }
    }
    #expect(
      error(GenerationRequest(prompt: []))
        == "the prompt has no tokens; give at least one")
    #expect(
      error(GenerationRequest(prompt: [1], maxTokens: 0))
        == "max_tokens must be 1 or more, not 0")
    #expect(
      error(GenerationRequest(prompt: [1, 2, 3, 4, 5], maxTokens: 6))
        == "This model's maximum context length is 10 tokens; 5 prompt tokens and up to 6 new"
        + " ones exceed it; shorten the prompt, ask for fewer, or serve with a larger context")
    #expect(error(GenerationRequest(prompt: [1], maxTokens: .max)) != nil)
    let size = demoTokenizer.vocabularySize + 3
    for id: TokenID in [-1, TokenID(size)] {
      #expect(
        error(GenerationRequest(prompt: [id]))
          == "token \(id) does not exist; the vocabulary has ids 0 to \(size - 1)")
    }
    #expect(log.all.isEmpty)
    #expect(error(GenerationRequest(prompt: [1, 2, 3, 4, 5], maxTokens: 5)) == nil)
  }

  @Test func withoutALimitTheContextIsTheLimit() throws {
    var request = request()
    request.stopTokens = []
    let (_, ids, summary) = try run(request, on: generator("x", contextLength: 40))
    #expect(ids.count == 40 - tokens("Hello").count)
    #expect(summary.finishReason == .length)
  }

  @Test func cancellationStopsBeforeTheNextStep() throws {
    let generator = try generator("one two three four five six")
    var seen = 0
    let summary = try generator.generate(request()) {
      seen >= 2
    } onEvent: { event in
      if case .token = event { seen += 1 }
    }
    #expect(summary.finishReason == .cancelled)
    #expect(summary.outputTokens == 2)
  }

  @Test func cancellationStopsBetweenChunksOfAPrompt() throws {
    let prompt = String(repeating: "word ", count: 40)
    let generator = try generator("x", maxStepRows: 4)
    let summary = try generator.generate(request(prompt)) {
      log.all.count >= 3
    } onEvent: { _ in
    }
    #expect(summary.finishReason == .cancelled)
    #expect(summary.outputTokens == 0)
    #expect(log.all.count == 3)
  }

  @Test func aFailedStepEndsTheRequestAndNotTheGenerator() throws {
    let generator = try generator("one two three") { step in
      if step == 2 { throw StepFailure() }
    }
    #expect(throws: InferenceError.stepFailed("\(StepFailure())")) {
      try generator.generate(request()) { _ in }
    }
    // The next request starts from an empty cache.
    #expect(try run(request(), on: generator).text == "one two three")
    #expect(log.all.suffix(tokens("one two three").count + 1).first == tokens("Hello"))
  }

  @Test func aPromptThatContinuesTheLastSequenceRunsOnlyTheRest() throws {
    let generator = try generator("one", reusesPrefix: true)
    _ = try run(request("Hello there"), on: generator)
    let stepsBefore = log.all.count
    let longer = tokens("Hello there") + tokens("one") + tokens(" more")
    let second = try run(GenerationRequest(prompt: longer, maxTokens: 1), on: generator)
    #expect(second.summary.cachedPromptTokens == tokens("Hello there").count + tokens("one").count)
    #expect(log.all[stepsBefore] == tokens(" more"))
    // The same prompt again still runs its last token, for its logits.
    let third = try run(GenerationRequest(prompt: longer, maxTokens: 1), on: generator)
    #expect(third.summary.cachedPromptTokens == longer.count - 1)
  }

  @Test func logitsOfAllPositionsComeInOrder() throws {
    let sequence = tokens("The quick brown fox jumps over the lazy dog.")
    var rows: [(Int, Int)] = []
    try generator("x", maxStepRows: 4).logits(sequence) { position, row in
      rows.append((position, row.indices.dropLast(3).max { row[$0] < row[$1] } ?? -1))
    }
    #expect(rows.map(\.0) == Array(sequence.indices))
    #expect(rows.map(\.1) == sequence.map(Int.init))
  }
}

@Suite struct PerplexityTests {
  @Test func everyWindowStartsWithBOSAndCountsAllItsTokens() throws {
    let log = ScriptedModel.Log()
    let model = ScriptedModel(
      answer: [], tokenizer: demoTokenizer, maxStepRows: 64, log: log)
    let generator = try TextGenerator(model, tokenizer: demoTokenizer)
    let result = try generator.perplexity(of: [5, 6, 7, 8, 9, 10, 11], window: 3, bos: 2)
    #expect(log.all == [[2, 5, 6], [2, 8, 9], [2]])
    #expect(result.tokens == 7)
    #expect(
      throws: InferenceError.unusableWindows(tokens: 0, window: 3),
      performing: { try generator.perplexity(of: [], window: 3, bos: 2) })
    #expect(
      throws: InferenceError.unusableWindows(tokens: 1, window: 0),
      performing: { try generator.perplexity(of: [1], window: 0, bos: 2) })
  }

  @Test func likelihoodIsThatOfTheSoftmax() {
    let logits: [Float] = [0, 1, 2, -.infinity]
    let total = 1 + 2.718281828459045 + 7.38905609893065
    #expect(abs(negativeLogLikelihood(of: 0, logits.span) - 1.1 * 0 - 2.40760596444438) < 1e-12)
    #expect(abs(negativeLogLikelihood(of: 2, logits.span) + 2 - 2.40760596444438) < 1e-12)
    #expect(abs(total - 11.107337927389695) < 1e-12)
    #expect(negativeLogLikelihood(of: 3, logits.span) == .infinity)
  }
}
