import Inference
import Testing
import Tokenization

/// Requests with an id: attached to again, resumed, remembered for a while.
@Suite(.timeLimit(.minutes(10))) struct ResumeTests {
  private func engine(
    _ model: sending HashModel = HashModel(), _ change: (inout EngineOptions) -> Void = { _ in }
  ) throws -> Engine {
    var options = EngineOptions()
    change(&options)
    return try Engine(model, tokenizer: demoTokenizer, options: options)
  }

  private func request(_ id: String? = "r1", seed: UInt64? = 9) -> GenerationRequest {
    var request = GenerationRequest(
      prompt: [5, 6, 7], maxTokens: 20, sampling: SamplingParameters(seed: seed))
    request.id = id.flatMap(RequestID.init)
    request.topLogprobs = 2
    return request
  }

  @Test func aFinishedRequestCanBeReadAgainFromAnyEvent() async throws {
    let engine = try engine()
    let id = try #require(RequestID("r1"))
    let first = await Told(try engine.submit(request()))
    #expect(first.events.count > 40)
    for event in [0, 1, 17, first.events.count - 1, first.events.count, 1000] {
      let again = await Told(try #require(engine.attach(to: id, from: event)))
      #expect(again.events == Array(first.events.dropFirst(event)), "from \(event)")
      #expect(again.reason == .length)
    }
    #expect(engine.attach(to: id, tenant: "another") == nil)
    #expect(engine.attach(to: id, choice: 1) == nil)
    let other = try #require(RequestID("r2"))
    #expect(engine.attach(to: other) == nil)
  }

  @Test func aRunningRequestCanBeReadByManyFromAnyEvent() async throws {
    let gate = Gate()
    let engine = try engine(HashModel { _ in gate.pass() })
    let id = try #require(RequestID("r1"))
    let generation = try engine.submit(request())
    await gate.waitForArrival()
    gate.open(3)
    for _ in 0..<3 { await gate.waitForArrival() }
    let others = try [0, 2, 7].map { try #require(engine.attach(to: id, from: $0)) }
    gate.open(100)
    let answers = await told([generation] + others)
    for (answer, start) in zip(answers.dropFirst(), [0, 2, 7]) {
      #expect(answer.events == Array(answers[0].events.dropFirst(start)))
    }
  }

  @Test func aRequestThatIsRunAgainGoesOnWhereItWas() async throws {
    let first = await Told(try engine().submit(request()))
    for start in [1, 30, first.events.count] {
      var again = request()
      again.resumeFrom = start
      let rest = await Told(try engine().submit(again))
      #expect(rest.events == Array(first.events.dropFirst(start)))
      #expect(rest.reason == .length)
    }
  }

  @Test func anIDIsTakenWhileItIsRemembered() async throws {
    let engine = try engine { $0.rememberedRequestLimit = 2 }
    let id = try #require(RequestID("r1"))
    let generation = try engine.submit(request())
    #expect(throws: InferenceError.duplicateID(id)) { try engine.submit(request()) }
    _ = await Told(generation)
    #expect(throws: InferenceError.duplicateID(id)) { try engine.submit(request()) }
    // Another tenant's is another one.
    var other = request()
    other.tenant = "b"
    _ = await Told(try engine.submit(other))
    // The third to be finished takes the place of the first.
    _ = await Told(try engine.submit(request("r2")))
    #expect(engine.attach(to: id) == nil)
    #expect(await Told(try engine.submit(request())).reason == .length)
  }

  @Test func whatIsRememberedExpires() async throws {
    let engine = try engine { $0.rememberedDuration = .zero }
    _ = await Told(try engine.submit(request()))
    let id = try #require(RequestID("r1"))
    #expect(engine.attach(to: id) == nil)
  }

  @Test func aRequestMayOutliveItsReaders() async throws {
    let gate = Gate()
    let engine = try engine(HashModel { _ in gate.pass() })
    var request = request()
    request.outlivesReader = true
    do { _ = try engine.submit(request) }  // dropped at once
    await gate.waitForArrival()
    gate.open(100)
    let id = try #require(request.id)
    let told = await Told(try #require(engine.attach(to: id)))
    #expect(told.reason == .length && told.tokens.count == 20)
  }

  @Test func withoutThatTheLastReaderTakesItAlong() async throws {
    let gate = Gate()
    let engine = try engine(HashModel { _ in gate.pass() })
    let id = try #require(RequestID("r1"))
    do {
      let generation = try engine.submit(request())
      await gate.waitForArrival()
      withExtendedLifetime(generation) {}
    }
    gate.open(100)
    let told = await Told(try #require(engine.attach(to: id)))
    #expect(told.reason == .cancelled)
  }

  @Test func choicesAreAttachedToOneByOne() async throws {
    let engine = try engine()
    let choices = await told(try engine.submit(request(), choices: 3))
    let id = try #require(RequestID("r1"))
    for (index, choice) in choices.enumerated() {
      let again = try #require(engine.attach(to: id, choice: index))
      #expect(await Told(again) == choice)
    }
  }

  @Test func idsAreChecked() {
    #expect(RequestID("") == nil)
    #expect(RequestID(String(repeating: "x", count: 129)) == nil)
    #expect(RequestID(String(repeating: "x", count: 128)) != nil)
  }
}
