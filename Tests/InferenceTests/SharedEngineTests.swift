import Inference
import Telemetry
import Testing
import Tokenization

/// Requests of one engine, side by side.
@Suite(.timeLimit(.minutes(10))) struct SharedEngineTests {
  private func engine(
    _ model: sending HashModel = HashModel(), _ change: (inout EngineOptions) -> Void = { _ in }
  ) throws -> Engine {
    var options = EngineOptions()
    change(&options)
    return try Engine(model, tokenizer: demoTokenizer, options: options)
  }

  private func request(_ prompt: [TokenID], maxTokens: Int = 8) -> GenerationRequest {
    GenerationRequest(prompt: prompt, maxTokens: maxTokens)
  }

  private func tokens(_ count: Int, from first: TokenID = 100) -> [TokenID] {
    (0..<count).map { first + TokenID($0) }
  }

  @Test func requestsShareSteps() async throws {
    let gate = Gate()
    let engine = try engine(HashModel { number in if number == 1 { gate.pass() } })
    let first = try engine.submit(request(tokens(4), maxTokens: 20))
    await gate.waitForArrival()
    let others = try (0..<9).map { try engine.submit(request(tokens(4 + $0), maxTokens: 10)) }
    gate.open()
    let answers = await told([first] + others)
    #expect(answers.allSatisfy { $0.reason == .length })
    let status = engine.status
    #expect(status.outputTokens == 20 + 9 * 10)
    #expect(status.stepTime.count < 40, "one after another it would be 110")
    #expect(status.timeToFirstToken.count == 10)
    #expect(status.interTokenLatency.count == 19 + 9 * 9)
    #expect(status.phases.forward > .zero && status.phases.sampling > .zero)
  }

  @Test func whoWatchesTheEngineSeesAStepThatDoesNotEnd() async throws {
    let gate = Gate()
    let heartbeat = Heartbeat()
    let engine = try engine(HashModel { number in if number == 1 { gate.pass() } }) {
      $0.heartbeat = heartbeat
    }
    #expect(heartbeat.silence == .zero, "nothing to do")
    let generation = try engine.submit(request(tokens(4)))
    await gate.waitForArrival()
    let before = heartbeat.silence
    try await Task.sleep(for: .milliseconds(20))
    #expect(heartbeat.silence >= before + .milliseconds(20))
    gate.open()
    #expect(await Told(generation).reason == .length)
    while heartbeat.silence > .zero { try await Task.sleep(for: .milliseconds(1)) }
  }

  @Test func whoBeginsAlikeRunsOnlyTheRest() async throws {
    let engine = try engine()
    let prompt = tokens(41)
    let first = await Told(try engine.submit(request(prompt)))
    let second = await Told(try engine.submit(request(prompt)))
    #expect(first == second)
    #expect(first.summaryOfLast?.cachedPromptTokens == 0)
    #expect(second.summaryOfLast?.cachedPromptTokens == 40)
    // A conversation that goes on: the answer is known as well.
    let longer = prompt + first.tokens + tokens(3)
    let third = await Told(try engine.submit(request(longer)))
    #expect(third.summaryOfLast?.cachedPromptTokens == 48)
    // All of whole pages is known: the last token is run again all the same.
    let whole = await Told(try engine.submit(request(tokens(40))))
    #expect(whole.summaryOfLast?.cachedPromptTokens == 36)
    #expect(engine.status.cachedPromptTokens == 40 + 48 + 36)
  }

  @Test func prefixesStayWithTheirTenant() async throws {
    let engine = try engine()
    func cached(_ tenant: String?) async throws -> Int? {
      var request = request(tokens(41))
      request.tenant = tenant
      return await Told(try engine.submit(request)).summaryOfLast?.cachedPromptTokens
    }
    #expect(try await cached("a") == 0)
    #expect(try await cached("b") == 0)
    #expect(try await cached(nil) == 0)
    #expect(try await cached("a") == 40)
    #expect(try await cached(nil) == 40)
  }

  @Test func coldPrefixesMakeRoom() async throws {
    let engine = try engine { $0.cacheMemory = 16 }
    for start in 0..<20 {
      let told = await Told(try engine.submit(request(tokens(41, from: TokenID(start)))))
      #expect(told.reason == .length)
    }
    let status = engine.status
    #expect(status.usedPageCount == 0)
    #expect(status.idlePrefixPageCount > 0 && status.freePageCount >= 0)
    #expect(status.preemptionCount == 0)
  }

  /// Two requests that computed the same blocks at the same time each held their own pages and
  /// those of the other, until one that fits alone found no room and ended with an error.
  @Test func twinsHoldTheirPagesOnce() async throws {
    let gate = Gate()
    let engine = try engine(HashModel { number in if number == 1 { gate.pass() } }) {
      $0.cacheMemory = 26
    }
    let first = try engine.submit(request(tokens(3, from: 400), maxTokens: 1))
    await gate.waitForArrival()
    let twins = try (1...2).map { seed in
      var request = request(tokens(41), maxTokens: 60)
      request.sampling = SamplingParameters(seed: UInt64(seed))
      return try engine.submit(request)
    }
    gate.open()
    let answers = await told([first] + twins)
    #expect(answers.allSatisfy { $0.reason == .length && $0.error == nil })
    // Whatever of both is still there can be used.
    let again = await Told(try engine.submit(request(tokens(41), maxTokens: 1)))
    #expect(again.summaryOfLast?.cachedPromptTokens == 40)
    #expect(engine.status.usedPageCount == 0)
  }

  @Test func whatNeverFitsIsRefusedAtOnce() throws {
    let engine = try engine { $0.cacheMemory = 16 }
    #expect(throws: InferenceError.cacheTooSmall(tokens: 70, capacity: 64)) {
      try engine.submit(request(tokens(60), maxTokens: 10))
    }
    let error = InferenceError.cacheTooSmall(tokens: 70, capacity: 64)
    #expect(
      "\(error)" == "prompt and answer of 70 tokens exceed the cache of 64 for all requests; ask"
        + " for fewer tokens, or serve with more cache memory")
  }

  @Test func withoutALimitTheCacheIsTheLimit() async throws {
    let engine = try engine { $0.cacheMemory = 16 }
    let told = await Told(try engine.submit(GenerationRequest(prompt: tokens(10))))
    #expect(told.tokens.count == 54 && told.reason == .length)
  }

  @Test func aFailureEndsOnlyWhoCausedIt() async throws {
    let poison: TokenID = 7
    let gate = Gate()
    let model = HashModel(poison: poison) { number in if number == 1 { gate.pass() } }
    let engine = try engine(model)
    let prompts = (0..<6).map { $0 == 3 ? [9, poison, 9] : tokens(5 + $0) }
    let expected = try await prompts.enumerated().asyncMap { index, prompt in
      index == 3 ? nil : await Told(try self.engine().submit(request(prompt)))
    }
    let first = try engine.submit(request(tokens(3)))
    await gate.waitForArrival()
    let generations = try prompts.map { try engine.submit(request($0)) }
    gate.open()
    let answers = await told([first] + generations)
    #expect(answers[0].reason == .length)
    for index in prompts.indices {
      if let expected = expected[index] {
        // An answer may contain the poison itself; then it fails there, after the same tokens.
        let failed = answers[index + 1].error != nil
        #expect(failed || answers[index + 1] == expected, "request \(index)")
        #expect(expected.tokens.starts(with: answers[index + 1].tokens))
      } else {
        #expect(answers[index + 1].error == "a row cannot be computed")
        #expect(answers[index + 1].tokens.isEmpty)
      }
    }
    #expect(engine.status.failedStepCount >= 2)
  }

  @Test func cancellingOneLeavesTheOthers() async throws {
    let gate = Gate()
    let engine = try engine(HashModel { _ in gate.pass() })
    let generations = try (0..<3).map { try engine.submit(request(tokens(3 + $0), maxTokens: 6)) }
    await gate.waitForArrival()
    generations[1].cancel()
    gate.open(100)
    let answers = await told(generations)
    #expect(answers[0].reason == .length && answers[2].reason == .length)
    #expect(answers[1].reason == .cancelled || answers[1].reason == nil)
    #expect(answers[1].tokens.count <= 1)
    #expect(engine.status.usedPageCount == 0)
  }

  @Test func aLateRequestEndsWithAnError() async throws {
    let gate = Gate()
    let engine = try engine(HashModel { _ in gate.pass() })
    let first = try engine.submit(request(tokens(3), maxTokens: 5))
    await gate.waitForArrival()
    var late = request(tokens(3), maxTokens: 50)
    late.deadline = .milliseconds(1)
    let generation = try engine.submit(late)
    try await Task.sleep(for: .milliseconds(5))
    gate.open(100)
    #expect(await Told(generation).error?.hasPrefix("the request was not finished within") == true)
    #expect(await Told(first).reason == .length)
  }

  @Test func severalChoicesShareThePrompt() async throws {
    for usesPrefixCache in [true, false] {
      let model = HashModel(maxStepRows: 32)
      let engine = try engine(model) { $0.usesPrefixCache = usesPrefixCache }
      var request = request(tokens(101), maxTokens: 5)
      request.sampling = SamplingParameters(seed: 42)
      let choices = await told(try engine.submit(request, choices: 4))
      let single = await Told(try self.engine().submit(request))
      #expect(choices[0] == single)
      #expect(Set(choices.map(\.tokens)).count == 4)
      #expect(choices.dropFirst().allSatisfy { $0.summaryOfLast?.cachedPromptTokens == 100 })
      // Each choice again, from its seed.
      for choice in choices {
        request.sampling.seed = choice.summaryOfLast?.seed
        #expect(await Told(try self.engine().submit(request)) == choice)
      }
      #expect(throws: InferenceError.invalidField("n", "must be from 1 to 128, not 0")) {
        try engine.submit(request, choices: 0)
      }
    }
  }

  @Test func nobodyWaitsForASlowReader() async throws {
    let engine = try engine()
    let slow = try engine.submit(request(tokens(3), maxTokens: 100))
    let quick = await Told(try engine.submit(request(tokens(4), maxTokens: 100)))
    #expect(quick.tokens.count == 100)
    // Nothing is lost meanwhile.
    #expect(await Told(slow).tokens.count == 100)
  }

  @Test func aHundredRequestsOnTwoPagesEach() async throws {
    let engine = try engine { $0.cacheMemory = 12 }
    let requests = (0..<100).map { request(tokens(1 + $0 % 20), maxTokens: 1 + $0 % 24) }
    let answers = await told(try requests.map { try engine.submit($0) })
    #expect(zip(answers, requests).allSatisfy { $0.tokens.count == $1.maxTokens })
    #expect(engine.status.preemptionCount > 0)
    #expect(engine.waitingCount == 0)
  }
}

extension Sequence {
  fileprivate func asyncMap<Value>(
    _ transform: (Element) async throws -> Value
  ) async rethrows -> [Value] {
    var values: [Value] = []
    for element in self { values.append(try await transform(element)) }
    return values
  }
}
