import DeepSeek
import Dispatch
import Experts
import Inference
import Kernels
import ModelFiles
import Tensors
import TestSupport
import Testing
import Tokenization

/// The answer to a request is the same alone and in any company, bit for bit.
@Suite(.timeLimit(.minutes(10))) struct OneAnswerTests {
  private struct Way: CustomTestStringConvertible {
    var pages: Int?
    var usesPrefixCache = true
    var maxStepRows = 64
    var maxSequences = 64

    var testDescription: String {
      "\(pages.map(String.init) ?? "many") pages, prefix cache \(usesPrefixCache), \(maxStepRows)"
        + " rows, \(maxSequences) sequences"
    }
  }

  private static let ways = [
    Way(), Way(usesPrefixCache: false), Way(maxStepRows: 7), Way(maxSequences: 3),
    Way(pages: 26), Way(pages: 26, usesPrefixCache: false), Way(pages: 30, maxStepRows: 16),
    Way(pages: 40, maxStepRows: 5),
  ]

  private func options(_ way: Way, bytesPerPage: Int) -> EngineOptions {
    var options = EngineOptions()
    options.cacheMemory = way.pages.map { $0 * bytesPerPage }
    options.usesPrefixCache = way.usesPrefixCache
    options.maxSequences = way.maxSequences
    return options
  }

  /// The answers of requests that are run one after another, each in an engine without a past.
  private func alone(
    _ requests: [GenerationRequest], _ engine: () throws -> Engine
  ) async throws -> [Told] {
    var answers: [Told] = []
    for request in requests { answers.append(await Told(try engine().submit(request))) }
    return answers
  }

  @Test(arguments: ways)
  private func aModelThatSeesEveryToken(way: Way) async throws {
    let requests = manyRequests(
      65, seed: 11, vocabulary: demoTokenizer.vocabularySize, longest: 76)
    let expected = try await alone(requests) {
      try Engine(HashModel(), tokenizer: demoTokenizer)
    }
    let model = HashModel(maxStepRows: way.maxStepRows)
    let engine = try Engine(
      model, tokenizer: demoTokenizer, options: options(way, bytesPerPage: 1))
    // Twice, so that the second time finds prefixes of the first.
    for round in 0..<2 {
      let answers = await told(try requests.map { try engine.submit($0) })
      for index in requests.indices {
        #expect(answers[index] == expected[index], "request \(index), round \(round)")
        #expect(answers[index].reason == .length)
      }
    }
    let status = engine.status
    #expect(status.finishedCount == 130 && status.runningCount == 0 && status.waitingCount == 0)
    #expect(status.usedPageCount == 0)
    #expect((status.prefixHitRate > 0) == way.usesPrefixCache)
    if let pages = way.pages, pages < 30 { #expect(status.preemptionCount > 0) }
  }

  /// A real model with 64 tokens per page; its experts, routing and attention take part.
  @Test(arguments: [
    ("gguf/v2-lite-like.gguf", Way()), ("gguf/v2-lite-like.gguf", Way(usesPrefixCache: false)),
    ("gguf/v2-lite-like.gguf", Way(maxStepRows: 9)),
    ("gguf/v2-lite-like.gguf", Way(pages: 8)),
    ("gguf/v2-lite-like.gguf", Way(pages: 8, usesPrefixCache: false)),
    ("gguf/llm-like.gguf", Way(pages: 8)),
  ])
  private func aDeepSeekModel(file: String, way: Way) async throws {
    let archive = try ModelArchive.open(Fixtures.path(file))
    let tokenizer = try Tokenizer(archive)
    func engine(_ way: Way, threads: Int, start: StartSignal? = nil) throws -> Engine {
      let kernels = Kernels(team: ThreadTeam(threads: threads))
      let model = try DeepSeekModel(archive, kernels: kernels, maxStepRows: way.maxStepRows)
      model.observer = start
      let experts = try model.catalog.map { try LocalExperts(loading: $0, kernels: kernels) }
      let options = options(way, bytesPerPage: model.bytesPerPage)
      // The signal, which the model refers to, is used by its thread only.
      nonisolated(unsafe) let language = DeepSeekLanguageModel(
        model, experts: experts, team: kernels.team)
      return try unsafe Engine(language, tokenizer: tokenizer, options: options)
    }
    // With few pages, sequences of one page each that soon need a second one.
    var requests = manyRequests(
      65, seed: 5, vocabulary: tokenizer.vocabularySize, shortest: way.pages == nil ? 1 : 50,
      longest: way.pages == nil ? 150 : 63)
    if way.pages != nil { for index in requests.indices { requests[index].maxTokens = 24 } }
    let checked = [0, 1, 2, 3, 30, 64]
    let expected = try await alone(checked.map { requests[$0] }) { try engine(Way(), threads: 1) }
    // All of them wait before the first step, or a busy machine would run one after another.
    let start = StartSignal()
    let shared = try engine(way, threads: 2, start: start)
    let generations = try requests.map { try shared.submit($0) }
    start.give()
    let answers = await told(generations)
    for (index, expected) in zip(checked, expected) {
      #expect(answers[index] == expected, "request \(index)")
      #expect(answers[index].tokens.count == requests[index].maxTokens)
    }
    if way.pages != nil { #expect(shared.status.preemptionCount > 0) }
    if way.usesPrefixCache && way.pages == nil { #expect(shared.status.cachedPromptTokens > 0) }
  }
}

/// Holds a model's first step until it is given.
private final class StartSignal: StepObserver {
  private let semaphore = DispatchSemaphore(value: 0)
  private var isGiven = false  // the engine's thread only

  func give() { semaphore.signal() }

  func willRun(layer: Int, hidden: borrowing FloatMatrix, rowCount: Int) {
    if !isGiven { semaphore.wait() }
    isGiven = true
  }

  func didRoute(layer: Int, row: Int, experts: [Int32], weights: [Float]) {}
}
