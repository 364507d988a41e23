import Foundation
import Inference
import Synchronization
import Testing
import Tokenization

/// Allows what `allowed` says for the answer so far.
private struct ScriptedConstraint: TokenConstraint {
  let allowed: @Sendable ([TokenID]) throws(ConstraintFailure) -> [TokenID]
  var answer: [TokenID] = []
  var work = 1

  init(_ allowed: @escaping @Sendable ([TokenID]) throws(ConstraintFailure) -> [TokenID]) {
    self.allowed = allowed
  }

  mutating func allowNext(
    in mask: inout TokenMask, budget: inout ConstraintBudget
  ) throws(ConstraintFailure) {
    try budget.spend(work)
    for token in try allowed(answer) { mask.allow(token) }
  }

  mutating func accept(
    _ token: TokenID, budget: inout ConstraintBudget
  ) throws(ConstraintFailure) { answer.append(token) }
}

@Suite(.timeLimit(.minutes(10))) struct ConstraintTests {
  private func tell(
    _ constraint: ScriptedConstraint, sampling: SamplingParameters = .greedy
  ) async throws -> Told {
    var request = GenerationRequest(
      prompt: [5, 6], maxTokens: 10, sampling: sampling, stopTokens: demoTokenizer.stopTokens)
    request.constraint = constraint
    request.topLogprobs = 1
    return await Told(try Engine(HashModel(), tokenizer: demoTokenizer).submit(request))
  }

  @Test func onlyAllowedTokensAreChosen() async throws {
    let stop = try #require(demoTokenizer.stopTokens.min())
    let constraint = ScriptedConstraint { answer in
      answer.count == 5 ? [stop] : [TokenID(20 + answer.count), TokenID(40 + answer.count)]
    }
    for sampling in [SamplingParameters.greedy, SamplingParameters(seed: 4)] {
      let told = try await tell(constraint, sampling: sampling)
      #expect(told.reason == .stop)
      #expect(told.tokens.count == 5)
      for (index, token) in told.tokens.enumerated() {
        #expect([20 + index, 40 + index].contains(Int(token)))
      }
    }
  }

  @Test func aDeadEndIsAnError() async throws {
    let told = try await tell(ScriptedConstraint { $0.count < 2 ? [30] : [] })
    #expect(told.tokens == [30, 30])
    #expect(
      told.error == "no token of the model continues the answer in the response format; change its"
        + " schema")
  }

  @Test func aFailureHasItsOwnWords() async throws {
    let told = try await tell(
      ScriptedConstraint { _ throws(ConstraintFailure) in
        throw ConstraintFailure("the schema has no end")
      })
    #expect(told.error == "the schema has no end")
  }

  @Test func tooMuchWorkIsAnError() async throws {
    var constraint = ScriptedConstraint { _ in [30] }
    constraint.work = 1 << 30
    #expect(
      try await tell(constraint).error
        == "the response format takes too much work per token; simplify its schema")
  }

  @Test func aMaskIsASet() {
    var mask = TokenMask(count: 130)
    #expect(mask.isEmpty)
    for token: TokenID in [0, 63, 64, 129, 130, -1] { mask.allow(token) }
    #expect((-2...140).filter { mask.contains($0) } == [0, 63, 64, 129])
    var all = TokenMask(count: 130)
    all.allowAll()
    #expect((-2...140).filter { all.contains($0) }.count == 130)
    var other = TokenMask(count: 130)
    other.allow(7)
    other.formUnion(mask)
    #expect(other.contains(7) && other.contains(129))
    other.removeAll()
    #expect(other.isEmpty)
  }
}

@Suite(.timeLimit(.minutes(10))) struct LogProbabilityTests {
  @Test func theyAreThoseOfTheModelWhateverTheSampler() async throws {
    func told(_ sampling: SamplingParameters) async throws -> Told {
      var request = GenerationRequest(prompt: [5, 6], maxTokens: 1, sampling: sampling)
      request.topLogprobs = 5
      return await Told(try Engine(HashModel(), tokenizer: demoTokenizer).submit(request))
    }
    let plain = try await told(.greedy)
    guard case .logProbabilities(let values) = plain.events[0],
      case .token(let token) = plain.events[1]
    else {
      Issue.record("no log probabilities before the token")
      return
    }
    #expect(values.chosen.token == token && values.top.count == 5)
    #expect(values.top[0] == values.chosen)
    #expect(
      zip(values.top, values.top.dropFirst()).allSatisfy { $0.logProbability >= $1.logProbability })
    var forced = SamplingParameters(temperature: 0.2, topK: 1, seed: 1)
    forced.logitBias = [values.top[3].token: 100]
    let biased = try await told(forced)
    guard case .logProbabilities(let others) = biased.events[0] else { return }
    #expect(others.top == values.top)
    #expect(others.chosen == values.top[3])
  }

  @Test func theySumToOne() throws {
    let logits: [Float] = [1, 2, 3, 4, -.infinity, .nan]
    let tokens = SampleableTokens(vocabularySize: 6)
    var workspace = SamplerWorkspace(vocabularySize: 6)
    let sampler = try Sampler(.greedy, tokens: tokens)
    let values = sampler.logProbabilities(of: 4, top: 4, logits.span, workspace: &workspace)
    let sum = values.top.reduce(0.0) { $0 + exp(Double($1.logProbability)) }
    #expect(abs(sum - 1) < 1e-6)
    #expect(values.top.map(\.token) == [3, 2, 1, 0])
    #expect(abs(values.top[0].logProbability + 0.4401897) < 1e-6)
    #expect(values.chosen.logProbability == -.infinity)
  }

  @Test func theLogarithmIsRight() {
    var random = RandomGenerator(seed: 3)
    for _ in 0..<100_000 {
      let x = exp(40 * random.nextUnit() - 20)
      let (ours, theirs) = (naturalLogarithm(x), log(x))
      #expect(abs(ours - theirs) <= 4e-16 * max(1, abs(theirs)), "\(x)")
    }
    #expect(naturalLogarithm(1) == 0)
  }
}

@Suite struct HighestLogitTests {
  @Test func itIsThatOfAPlainLoop() {
    var random = RandomGenerator(seed: 8)
    for size in [1, 2, 15, 16, 17, 31, 33, 100, 1000] {
      let excluded = Int.random(in: 0..<size + 3, using: &random)
      let tokens = SampleableTokens(vocabularySize: size) { $0 == excluded }
      for _ in 0..<200 {
        let special: [Float] = [.nan, .infinity, -.infinity, .greatestFiniteMagnitude, 3, 3]
        let logits = (0..<size).map { _ in
          Int.random(in: 0..<4, using: &random) == 0
            ? special.randomElement(using: &random) ?? 0
            : Float.random(in: -5...5, using: &random)
        }
        var best: Int?
        for id in 0..<size where id != excluded && !logits[id].isNaN {
          let value = min(logits[id], .greatestFiniteMagnitude)
          let peak = best.map { min(logits[$0], .greatestFiniteMagnitude) } ?? -.infinity
          if value > peak { best = id }
        }
        #expect(tokens.highest(of: logits.span) == best, "\(logits)")
      }
    }
  }
}

@Suite struct TokenRateTests {
  @Test func itIsTheMeanOfTenSeconds() {
    var rate = TokenRate()
    let none = rate.perSecond(at: .seconds(5))
    #expect(none == 0)
    for tenth in 0..<300 { rate.add(2, at: .seconds(100) + .milliseconds(100 * tenth)) }
    let rates = [129_950, 135_000, 150_000].map { rate.perSecond(at: .milliseconds($0)) }
    #expect(abs(rates[0] - 20) < 1 && abs(rates[1] - 10) < 3 && rates[2] == 0, "\(rates)")
  }

  @Test func aYoungEngineIsNotSlow() {
    var rate = TokenRate()
    rate.add(10, at: .seconds(50))
    rate.add(10, at: .milliseconds(50_500))
    let young = rate.perSecond(at: .seconds(51))
    #expect(abs(young - 20) < 1)
  }
}
