import DeepSeek
import Experts
import Foundation
import Inference
import Kernels
import ModelFiles
import TestSupport
import Testing
import Tokenization

/// The demo model, loaded once per set of options.
private func generator(
  maxStepRows: Int = 256, reusesPrefix: Bool = false
) throws -> TextGenerator<DeepSeekLanguageModel> {
  let archive = try ModelArchive.open(Fixtures.demoModel)
  let kernels = Kernels(team: ThreadTeam(threads: 2))
  let model = try DeepSeekModel(archive, kernels: kernels, maxStepRows: maxStepRows)
  let experts = try LocalExperts(loading: #require(model.catalog), kernels: kernels)
  return try TextGenerator(
    DeepSeekLanguageModel(model, experts: experts), tokenizer: Tokenizer(archive),
    reusesPrefix: reusesPrefix)
}

private struct GreedyAnswers: Decodable {
  let prompts: [String]
  let answers: [String]
}

private struct ReferencePerplexity: Decodable {
  let tokens: Int
  let windowTokens: Int
  let perplexity: Double
}

private func read<Value: Decodable>(_ name: String) throws -> Value {
  try JSONDecoder().decode(Value.self, from: Fixtures.data("demo-model/\(name)"))
}

extension TextGenerator {
  /// The text of an answer.
  fileprivate func answer(
    _ prompt: String, maxTokens: Int? = nil, sampling: SamplingParameters = .greedy
  ) throws -> String {
    var text = ""
    let request = GenerationRequest(
      prompt: tokenizer.encode(prompt, specials: true, addBOS: true), maxTokens: maxTokens,
      sampling: sampling, stopTokens: tokenizer.stopTokens)
    try generate(request) { event in
      if case .text(let more) = event { text += more }
    }
    return text
  }
}

@Suite struct DemoModelTests {
  @Test func greedyAnswersAreThoseOfTheReference() throws {
    let reference: GreedyAnswers = try read("greedy.json")
    let generator = try generator()
    #expect(reference.prompts.count == 20)
    let different = try zip(reference.prompts, reference.answers).filter { prompt, expected in
      try generator.answer(prompt, maxTokens: 512) != expected
    }
    // Quantised weights may branch where two tokens are nearly tied: long stories do.
    #expect(different.count <= 3, "\(different.map(\.0))")
  }

  @Test func perplexityIsThatOfTheReference() throws {
    let reference: ReferencePerplexity = try read("perplexity.json")
    let text = String(
      decoding: try Fixtures.data("demo-model/heldout_stories.txt"), as: UTF8.self)
    let generator = try generator()
    let tokens = generator.tokenizer.encode(text, specials: false, addBOS: false)
    #expect(tokens.count == reference.tokens)
    let result = try generator.perplexity(
      of: tokens, window: reference.windowTokens, bos: generator.tokenizer.bos)
    #expect(result.tokens == reference.tokens)
    #expect(abs(result.value / reference.perplexity - 1) < 0.01, "\(result.value)")
  }

  @Test func theAnswerDoesNotDependOnChunksOrTheCache() throws {
    let story = "User: Tell me a story about a fox.\n\nAssistant:"
    let sampling = SamplingParameters(temperature: 0.8, topP: 0.95, seed: 42)
    let expected = try generator().answer(story, maxTokens: 60, sampling: sampling)
    #expect(!expected.isEmpty)
    for rows in [1, 5, 32] {
      let text = try generator(maxStepRows: rows).answer(
        story, maxTokens: 60, sampling: sampling)
      #expect(text == expected, "\(rows) rows a step")
    }
    let reusing = try generator(reusesPrefix: true)
    for _ in 0..<2 {
      #expect(try reusing.answer(story, maxTokens: 60, sampling: sampling) == expected)
      _ = try reusing.answer("User: Tell me a story about a girl.\n\nAssistant:", maxTokens: 5)
    }
  }

  @Test func engineAndGeneratorAgree() async throws {
    let question = "User: What is 551 + 56?\n\nAssistant:"
    let expected = try generator().answer(question)
    let engine = try Engine(generator())
    let request = GenerationRequest(
      prompt: demoTokenizer.encode(question, specials: true, addBOS: true),
      stopTokens: demoTokenizer.stopTokens)
    for _ in 0..<3 {
      var text = ""
      for try await case .text(let more) in try engine.submit(request).events { text += more }
      #expect(text == expected)
    }
  }
}
