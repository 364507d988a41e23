import Inference
import Testing
import Tokenization

private func engine(
  _ answer: String, margin: Float = 20, queueLimit: Int = 256, maxSequences: Int = 64,
  log: ScriptedModel.Log = ScriptedModel.Log(),
  beforeStep: @escaping @Sendable (Int) throws -> Void = { _ in }
) throws -> Engine {
  let model = ScriptedModel(
    answer: tokens(answer), tokenizer: demoTokenizer, margin: margin, log: log,
    beforeStep: beforeStep)
  var options = EngineOptions()
  options.queueLimit = queueLimit
  options.maxSequences = maxSequences
  options.usesPrefixCache = false
  return try Engine(model, tokenizer: demoTokenizer, options: options)
}

private func request(_ prompt: String = "Hello") -> GenerationRequest {
  GenerationRequest(prompt: tokens(prompt), stopTokens: demoTokenizer.stopTokens)
}

/// Reads a generation to its end.
private func result(
  of generation: Generation
) async throws -> (text: String, summary: GenerationSummary?) {
  var text = ""
  var summary: GenerationSummary?
  for try await event in generation.events {
    switch event {
    case .text(let more): text += more
    case .finished(let last): summary = last
    case .token, .logProbabilities: break
    }
  }
  return (text, summary)
}

@Suite(.timeLimit(.minutes(10))) struct EngineTests {
  @Test func aRequestStreamsItsAnswer() async throws {
    let result = try await result(of: engine("Nice to meet you.").submit(request()))
    #expect(result.text == "Nice to meet you.")
    #expect(result.summary?.finishReason == .stop)
  }

  @Test func requestsRunInOrder() async throws {
    let log = ScriptedModel.Log()
    let gate = Gate()
    let engine = try engine("x", maxSequences: 1, log: log) { step in
      if step == 0 { gate.pass() }
    }
    let prompts = (1...20).map { "prompt \($0)" }
    var generations = [try engine.submit(request(prompts[0]))]
    await gate.waitForArrival()
    for prompt in prompts.dropFirst() { generations.append(try engine.submit(request(prompt))) }
    #expect(engine.waitingCount == 19)
    gate.open()
    for generation in generations {
      #expect(try await result(of: generation).text == "x")
    }
    let firstSteps = log.all.filter { $0.count > 1 }
    #expect(firstSteps == prompts.map(tokens))
  }

  @Test func theQueueHasALimit() async throws {
    let gate = Gate()
    let engine = try engine("x", queueLimit: 2) { step in if step == 0 { gate.pass() } }
    let first = try engine.submit(request())
    await gate.waitForArrival()
    let waiting = [try engine.submit(request()), try engine.submit(request())]
    #expect(throws: InferenceError.queueFull(limit: 2)) { try engine.submit(request()) }
    // One that gives up makes room.
    waiting[0].cancel()
    #expect(try await result(of: waiting[0]).summary == nil)
    let late = try engine.submit(request())
    gate.open()
    for generation in [first, waiting[1], late] {
      #expect(try await result(of: generation).text == "x")
    }
  }

  /// Whoever fills the queue keeps itself out, not others.
  @Test func aFullQueueHasRoomForOtherTenants() async throws {
    let gate = Gate()
    let engine = try engine("x", queueLimit: 8) { step in if step == 0 { gate.pass() } }
    func ask(_ tenant: String?) throws -> Generation {
      var request = request()
      request.tenant = tenant
      return try engine.submit(request)
    }
    var generations = [try ask("alice")]
    await gate.waitForArrival()
    for _ in 0..<8 { generations.append(try ask("alice")) }
    #expect(throws: InferenceError.queueFull(limit: 8)) { try ask("alice") }
    for tenant in ["bob", "carol"] {
      generations.append(try ask(tenant))
      #expect(throws: InferenceError.queueFull(limit: 8)) { try ask(tenant) }
    }
    for number in 0..<6 { generations.append(try ask("tenant \(number)")) }
    #expect(throws: InferenceError.queueFull(limit: 8)) { try ask("dave") }
    gate.open()
    for generation in generations { #expect(try await result(of: generation).text == "x") }
  }

  @Test func cancellingEndsARunningRequestWithinOneStep() async throws {
    let gate = Gate()
    let log = ScriptedModel.Log()
    let engine = try engine("one two three four", log: log) { _ in gate.pass() }
    let generation = try engine.submit(request())
    await gate.waitForArrival()
    gate.open()
    await gate.waitForArrival()  // in the second step
    generation.cancel()
    gate.open()
    let summary = try await result(of: generation).summary
    #expect(summary?.finishReason == .cancelled)
    #expect(log.all.count == 2)
  }

  @Test func droppingTheStreamCancels() async throws {
    let gate = Gate()
    let log = ScriptedModel.Log()
    let engine = try engine(String(repeating: "word ", count: 50), log: log) { _ in gate.pass() }
    do {
      let generation = try engine.submit(request())
      await gate.waitForArrival()
      gate.open(2)
      for try await event in generation.events {
        if case .token = event { break }
      }
    }
    gate.open(500)
    // Another request gets its turn long before the first would have ended.
    #expect(try await result(of: engine.submit(request("next"))).summary != nil)
    let steps = log.all
    let second = steps.firstIndex(of: tokens("next")) ?? steps.count
    #expect(second <= 4)
  }

  @Test func cancellingTheReadingTaskCancels() async throws {
    let gate = Gate()
    let engine = try engine(String(repeating: "word ", count: 50)) { _ in gate.pass() }
    let generation = try engine.submit(request())
    let reader = Task { try await result(of: generation) }
    await gate.waitForArrival()
    reader.cancel()
    _ = try? await reader.value
    gate.open(500)
    #expect(try await result(of: engine.submit(request())).summary != nil)
  }

  @Test func aFailedStepEndsOnlyItsRequest() async throws {
    struct Failure: Error, CustomStringConvertible { let description = "worker 2 is gone" }
    let engine = try engine("one two") { step in if step == 1 { throw Failure() } }
    await #expect(throws: InferenceError.stepFailed("worker 2 is gone")) {
      try await result(of: engine.submit(request()))
    }
    #expect(try await result(of: engine.submit(request())).text == "one two")
  }

  @Test func badRequestsAreRefusedAtOnce() throws {
    let engine = try engine("x")
    #expect(throws: InferenceError.emptyPrompt) {
      try engine.submit(GenerationRequest(prompt: []))
    }
    #expect(throws: InferenceError.self) {
      try engine.submit(GenerationRequest(prompt: [1], sampling: .init(topP: 2)))
    }
    #expect(throws: InferenceError.self) {
      try engine.submit(GenerationRequest(prompt: [1], maxTokens: engine.contextLength))
    }
  }

  @Test func aGracefulShutdownAnswersWhatItAccepted() async throws {
    let gate = Gate()
    let engine = try engine("one two") { step in if step == 0 { gate.pass() } }
    let generations = [try engine.submit(request()), try engine.submit(request())]
    await gate.waitForArrival()
    engine.shutdown(cancelling: false)
    #expect(throws: InferenceError.shuttingDown) { try engine.submit(request()) }
    gate.open()
    for generation in generations {
      #expect(try await result(of: generation).text == "one two")
    }
    await engine.waitUntilStopped()
    await engine.waitUntilStopped()
  }

  @Test func aQuickShutdownEndsEverything() async throws {
    let gate = Gate()
    let engine = try engine("one two") { step in if step == 0 { gate.pass() } }
    let running = try engine.submit(request())
    await gate.waitForArrival()
    let waiting = try engine.submit(request())
    engine.shutdown(cancelling: true)
    await #expect(throws: InferenceError.shuttingDown) { try await result(of: waiting) }
    gate.open()
    #expect(try await result(of: running).summary?.finishReason == .cancelled)
    await engine.waitUntilStopped()
  }

  @Test func aSeededRequestIsTheSameAloneAndInCompany() async throws {
    let engine = try engine("x", margin: 0.1)
    var request = request()
    request.sampling = SamplingParameters(seed: 5)
    request.maxTokens = 20
    request.stopTokens = []
    func tokens(_ generation: Generation) async throws -> [TokenID] {
      var ids: [TokenID] = []
      for try await case .token(let id) in generation.events { ids.append(id) }
      return ids
    }
    let alone = try await tokens(engine.submit(request))
    var other = request
    other.sampling.seed = 6
    let company = try [engine.submit(other), engine.submit(request), engine.submit(other)]
    _ = try await tokens(company[0])
    #expect(try await tokens(company[1]) == alone)
    #expect(try await tokens(company[2]) != alone)
  }
}
