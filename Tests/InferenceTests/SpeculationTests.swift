import DeepSeek
import Experts
import Inference
import Kernels
import ModelFiles
import Telemetry
import TestSupport
import Testing
import Tokenization

/// Verifying several tokens at once changes nothing but how many steps it takes.
@Suite(.timeLimit(.minutes(10))) struct SpeculationTests {
  /// Allows even tokens after odd ones and the other way round.
  private struct Alternating: TokenConstraint {
    var next: TokenID = 0

    func allowNext(in mask: inout TokenMask, budget: inout ConstraintBudget) {
      for token in TokenID(0)..<TokenID(mask.count) where token % 2 == next { mask.allow(token) }
    }

    mutating func accept(_ token: TokenID, budget: inout ConstraintBudget) { next = 1 - token % 2 }
  }

  private struct Way: CustomTestStringConvertible {
    var speculation: Speculation
    var pages: Int?
    var usesPrefixCache = true
    var maxStepRows = 64
    var maxSequences = 64

    var testDescription: String {
      "\(speculation), \(pages.map(String.init) ?? "many") pages, prefix cache \(usesPrefixCache),"
        + " \(maxStepRows) rows, \(maxSequences) sequences"
    }

    var options: EngineOptions {
      var options = EngineOptions()
      options.speculation = speculation
      options.cacheMemory = pages
      options.usesPrefixCache = usesPrefixCache
      options.maxSequences = maxSequences
      return options
    }
  }

  private static let ways = [
    Way(speculation: .automatic), Way(speculation: .fixed(1)), Way(speculation: .fixed(8)),
    Way(speculation: .fixed(5), usesPrefixCache: false),
    Way(speculation: .fixed(8), maxStepRows: 11), Way(speculation: .fixed(4), maxSequences: 1),
    Way(speculation: .fixed(3), pages: 40), Way(speculation: .fixed(8), pages: 40, maxStepRows: 9),
  ]

  /// Requests of many kinds, all of which begin with a text that repeats itself.
  private func requests(vocabulary: Int) -> [GenerationRequest] {
    var requests = manyRequests(48, seed: 3, vocabulary: vocabulary, longest: 40)
    for index in requests.indices {
      let head = Array(requests[index].prompt.prefix(7))
      requests[index].prompt = head + head + requests[index].prompt + head
      requests[index].maxTokens = 40
      switch index % 6 {
      case 1: requests[index].stopStrings = [demoTokenizer.decode([TokenID(300 + index)]), "e"]
      case 2: requests[index].constraint = Alternating()
      case 3: requests[index].stopTokens = Set(head.suffix(1))
      case 4: requests[index].maxTokens = 1 + index % 5
      default: break
      }
    }
    return requests
  }

  @Test(arguments: ways)
  private func answersAreTheSame(way: Way) async throws {
    let requests = requests(vocabulary: demoTokenizer.vocabularySize)
    var expected: [Told] = []
    for request in requests {
      let engine = try Engine(HashModel(period: 7), tokenizer: demoTokenizer)
      expected.append(await Told(try engine.submit(request)))
    }
    let engine = try Engine(
      HashModel(maxStepRows: way.maxStepRows, period: 7), tokenizer: demoTokenizer,
      options: way.options)
    // Twice, so that the second time starts with pages that drafts have been in.
    for round in 0..<2 {
      let answers = await told(try requests.map { try engine.submit($0) })
      for index in requests.indices {
        #expect(answers[index] == expected[index], "request \(index), round \(round)")
      }
    }
    let status = engine.status
    #expect(status.usedPageCount == 0 && status.runningCount == 0)
    #expect(status.draftedTokens >= status.acceptedTokens)
    guard way.speculation != .automatic else { return }
    #expect(status.acceptedTokens > 0 && status.acceptedTokens < status.draftedTokens)
    if way.maxSequences == 1 {
      #expect(status.stepTime.count + status.acceptedTokens >= status.outputTokens)
      #expect(status.stepTime.count < status.outputTokens * 3 / 4)
    }
  }

  @Test(
    arguments: [
      "gguf/v2-lite-like.gguf", "gguf/k-quants-3-layers/Q4_K_M.gguf", "gguf/llm-like.gguf",
    ],
    KVFormat.allCases)
  private func aDeepSeekModel(file: String, format: KVFormat) async throws {
    let archive = try ModelArchive.open(Fixtures.path(file))
    let tokenizer = try Tokenizer(archive)
    func engine(_ speculation: Speculation) throws -> Engine {
      let kernels = Kernels(team: ThreadTeam(threads: 2))
      let model = try DeepSeekModel(archive, kernels: kernels, maxStepRows: 64, kvFormat: format)
      let experts = try model.catalog.map { try LocalExperts(loading: $0, kernels: kernels) }
      var options = EngineOptions()
      options.speculation = speculation
      return try Engine(
        DeepSeekLanguageModel(model, experts: experts, team: kernels.team), tokenizer: tokenizer,
        options: options)
    }
    var requests = manyRequests(12, seed: 8, vocabulary: tokenizer.vocabularySize, longest: 30)
    for index in requests.indices { requests[index].maxTokens = 100 }
    let (plain, drafted) = (try engine(.off), try engine(.fixed(6)))
    let expected = await told(try requests.map { try plain.submit($0) })
    let answers = await told(try requests.map { try drafted.submit($0) })
    #expect(answers == expected)
    #expect(plain.status.draftedTokens == 0)
    #expect(drafted.status.draftedTokens > 0)
  }

  @Test(arguments: [Speculation.fixed(1), .fixed(8), .automatic])
  private func aGeneratorAlone(speculation: Speculation) throws {
    let plain = try TextGenerator(HashModel(period: 7), tokenizer: demoTokenizer)
    let drafted = try TextGenerator(
      HashModel(period: 7), tokenizer: demoTokenizer, reusesPrefix: true, speculation: speculation)
    var (draftedCount, acceptedCount) = (0, 0)
    for (index, request) in requests(vocabulary: demoTokenizer.vocabularySize).enumerated() {
      var (expected, events) = ([GenerationEvent](), [GenerationEvent]())
      func keep(_ event: GenerationEvent, _ list: inout [GenerationEvent]) {
        if case .finished(let summary) = event {
          draftedCount += summary.draftedTokens
          acceptedCount += summary.acceptedTokens
        } else {
          list.append(event)
        }
      }
      try plain.generate(request) { keep($0, &expected) }
      try drafted.generate(request) { keep($0, &events) }
      #expect(events == expected, "request \(index)")
    }
    if speculation != .automatic { #expect(acceptedCount > 0 && acceptedCount < draftedCount) }
  }
}
