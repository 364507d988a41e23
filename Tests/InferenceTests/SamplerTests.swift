import Foundation
import Inference
import Kernels
import TestSupport
import Testing
import Tokenization

/// What one sampler draws from the same logits again and again.
private func draws(
  _ parameters: SamplingParameters, _ logits: [Float], count: Int = 1, prompt: [TokenID] = [],
  excluding excluded: Set<Int> = []
) throws -> [TokenID] {
  let tokens = SampleableTokens(vocabularySize: logits.count) { excluded.contains($0) }
  var workspace = SamplerWorkspace(vocabularySize: logits.count)
  var sampler = try Sampler(parameters, tokens: tokens, prompt: prompt)
  return try (0..<count).map { _ in try sampler.sample(logits.span, workspace: &workspace) }
}

/// How often each token comes up; 20,000 draws.
private func shares(
  _ parameters: SamplingParameters, _ logits: [Float], excluding excluded: Set<Int> = []
) throws -> [Double] {
  var counts = [Int](repeating: 0, count: logits.count)
  for token in try draws(parameters, logits, count: 20_000, excluding: excluded) {
    counts[Int(token)] += 1
  }
  return counts.map { Double($0) / 20_000 }
}

private func logits(of probabilities: [Double]) -> [Float] {
  probabilities.map { Float(log($0)) }
}

@Suite struct SamplerTests {
  // Probabilities that no step can confuse.
  let distribution = [0.1, 0.4, 0.05, 0.25, 0.15, 0.05]

  @Test func greedyTakesTheHighestAndOnTiesTheLowestID() throws {
    #expect(try draws(.greedy, [1, 3, 2, 3]) == [1])
    #expect(try draws(.greedy, [-5, -5, -5]) == [0])
    #expect(try draws(.greedy, [.nan, -.infinity, -7]) == [2])
  }

  @Test func withoutLimitsTheDrawFollowsTheModel() throws {
    let shares = try shares(SamplingParameters(seed: 1), logits(of: distribution))
    for (share, expected) in zip(shares, distribution) { #expect(abs(share - expected) < 0.012) }
  }

  @Test func topKKeepsTheLargest() throws {
    let shares = try shares(SamplingParameters(topK: 2, seed: 1), logits(of: distribution))
    #expect(abs(shares[1] - 0.4 / 0.65) < 0.012)
    #expect(abs(shares[3] - 0.25 / 0.65) < 0.012)
    #expect(shares[0] + shares[2] + shares[4] + shares[5] == 0)
  }

  @Test func topKBreaksTiesByID() throws {
    let shares = try shares(SamplingParameters(topK: 2, seed: 1), [0, 1, 1, 1, 0])
    #expect(shares[1] > 0.4 && shares[2] > 0.4 && shares[3] == 0)
  }

  @Test(
    arguments: [
      (0, [1]), (0.39, [1]), (0.41, [1, 3]), (0.64, [1, 3]), (0.66, [1, 3, 4]),
      (0.79, [1, 3, 4]), (0.89, [0, 1, 3, 4]), (0.94, [0, 1, 2, 3, 4]),
      (0.999, [0, 1, 2, 3, 4, 5]),
    ] as [(Float, [Int])])
  func topPKeepsTheTokenThatCrosses(topP: Float, kept: [Int]) throws {
    let parameters = SamplingParameters(topP: topP, seed: 1)
    let shares = try shares(parameters, logits(of: distribution))
    #expect(shares.indices.filter { shares[$0] > 0 } == kept)
  }

  @Test func topPAfterTopKCountsTheKeptProbabilitiesOnly() throws {
    // 0.4 / 0.65 = 0.615 of what top-k kept.
    let parameters = SamplingParameters(topK: 2, topP: 0.6, seed: 1)
    #expect(try shares(parameters, logits(of: distribution))[1] == 1)
  }

  @Test(
    arguments: [(0.3, [1, 3, 4]), (0.2, [0, 1, 3, 4]), (1, [1]), (0.1, [0, 1, 2, 3, 4, 5])]
      as [(Float, [Int])])
  func minPIsRelativeToTheLargest(minP: Float, kept: [Int]) throws {
    for topP: Float in [1, 0.9999] {
      let parameters = SamplingParameters(topP: topP, minP: minP, seed: 1)
      let shares = try shares(parameters, logits(of: distribution))
      #expect(shares.indices.filter { shares[$0] > 0 } == kept)
    }
  }

  @Test func temperatureComesLast() throws {
    // At temperature 2 the two largest hold 0.477 of all; top-p still sees 0.65.
    let parameters = SamplingParameters(temperature: 2, topP: 0.64, seed: 1)
    let shares = try shares(parameters, logits(of: distribution))
    let expected = sqrt(0.4) / (sqrt(0.4) + sqrt(0.25))
    #expect(abs(shares[1] - expected) < 0.012)
    #expect(abs(shares[1] + shares[3] - 1) < 1e-9)
  }

  @Test func aTinyTemperatureIsGreedy() throws {
    let parameters = SamplingParameters(temperature: 1e-30, seed: 1)
    #expect(try shares(parameters, logits(of: distribution))[1] == 1)
  }

  @Test func logitBiasComesFirst() throws {
    let biased = SamplingParameters(temperature: 0, logitBias: [2: 100])
    #expect(try draws(biased, [5, 4, 3]) == [2])
    let banned = SamplingParameters(topK: 1, seed: 1, logitBias: [0: -100])
    #expect(try draws(banned, [5, 4, 3]) == [1])
  }

  @Test func repetitionPenaltyDividesPositiveAndMultipliesNegativeLogits() throws {
    let parameters = SamplingParameters(temperature: 0, repetitionPenalty: 2)
    #expect(try draws(parameters, [4, 3, 1], prompt: [0]) == [1])
    #expect(try draws(parameters, [-1, -1.5, -3], prompt: [0]) == [1])
    #expect(try draws(parameters, [4, 1.9], prompt: [0, 0, 0]) == [0])  // once, however often seen
  }

  @Test func frequencyCountsAndPresenceDoesNot() throws {
    let frequency = SamplingParameters(temperature: 0, frequencyPenalty: 0.5)
    #expect(try draws(frequency, [4, 3], prompt: [0, 0]) == [0])
    #expect(try draws(frequency, [4, 3], prompt: [0, 0, 0]) == [1])
    let presence = SamplingParameters(temperature: 0, presencePenalty: 0.9)
    #expect(try draws(presence, [4, 3], prompt: [0, 0, 0]) == [0])
  }

  @Test func whatWasDrawnCountsForThePenalties() throws {
    let parameters = SamplingParameters(temperature: 0, presencePenalty: 2)
    #expect(try draws(parameters, [5, 4, 3.5], count: 4) == [0, 1, 2, 0])
  }

  @Test func theWindowForgets() throws {
    var parameters = SamplingParameters(temperature: 0, presencePenalty: 2, penaltyWindow: 2)
    #expect(try draws(parameters, [5, 4, 1], prompt: [0, 2, 2]) == [0])
    #expect(try draws(parameters, [5, 4, 1], prompt: [0, 0, 2]) == [1])
    #expect(try draws(parameters, [5, 4, 3.5], count: 5) == [0, 1, 2, 0, 1])
    parameters.penaltyWindow = 0
    #expect(try draws(parameters, [5, 4, 1], prompt: [0, 0, 0]) == [0])
  }

  @Test(arguments: [
    SamplingParameters(seed: 3), SamplingParameters(topK: 3, seed: 3),
    SamplingParameters(topP: 0.9, seed: 3), SamplingParameters(minP: 0.05, seed: 3),
    SamplingParameters(temperature: 0),
  ])
  func excludedTokensAreNeverDrawn(parameters: SamplingParameters) throws {
    let shares = try shares(parameters, logits(of: distribution), excluding: [1, 5])
    #expect(shares[1] == 0 && shares[5] == 0)
  }

  @Test func logitsThatAreNotNumbersAreNeverDrawn() throws {
    let broken: [Float] = [.nan, 0, -.infinity, 1, .nan]
    for parameters in [
      SamplingParameters(seed: 1), SamplingParameters(topK: 4, seed: 1),
      SamplingParameters(topP: 0.99, seed: 1),
    ] {
      let shares = try shares(parameters, broken)
      #expect(abs(shares[1] + shares[3] - 1) < 1e-9)
    }
    #expect(throws: InferenceError.unusableLogits) { try draws(.greedy, [.nan, -.infinity]) }
    #expect(try draws(.greedy, [0, .infinity]) == [1])
  }

  @Test func equalSeedsGiveEqualDrawsAndOthersDoNot() throws {
    let flat = [Float](repeating: 0, count: 1000)
    let first = try draws(SamplingParameters(seed: 5), flat, count: 50)
    #expect(try draws(SamplingParameters(seed: 5), flat, count: 50) == first)
    #expect(try draws(SamplingParameters(seed: 6), flat, count: 50) != first)
    #expect(try draws(SamplingParameters(), flat, count: 50) != draws(.init(), flat, count: 50))
  }

  @Test func everyTokenUsesOneOutputOfTheGenerator() throws {
    var generator = RandomGenerator(seed: 11)
    let flat = [Float](repeating: 0, count: 1024)
    let expected = (0..<20).map { _ in TokenID(generator.nextUnit() * 1024) }
    #expect(try draws(SamplingParameters(seed: 11), flat, count: 20) == expected)
  }

  @Test func aSeedGivesTheseTokensForEver() throws {
    var generator = RandomGenerator(seed: 99)
    let logits = (0..<2000).map { _ in Float(generator.nextUnit() * 8 - 4) }
    let parameters = SamplingParameters(
      temperature: 0.8, topP: 0.9, minP: 0.01, repetitionPenalty: 1.1, seed: 123)
    // From the rules written down in Python.
    #expect(
      try draws(parameters, logits, count: 8) == [1835, 1504, 123, 1117, 1008, 932, 321, 1147])
  }

  @Test(.timeLimit(.minutes(10))) func limitsAgreeWithAFullSort() throws {
    var generator = RandomGenerator(seed: 2024)
    for round in 0..<200 {
      let count = 1 + Int(generator.next() % 3000)
      let sharpness = generator.nextUnit() * 12
      let steps = round % 4 < 2 ? 8.0 : 1e7  // coarse steps make ties
      let logits = (0..<count).map { _ in
        Float((generator.nextUnit() * sharpness * steps).rounded() / steps)
      }
      let parameters = SamplingParameters(
        topK: round % 3 == 0 ? 1 + Int(generator.next() % 50) : 0,
        topP: round % 3 == 1 || round % 2 == 0 ? Float(generator.nextUnit()) : 1,
        minP: round % 5 == 0 ? 0.1 : 0, seed: UInt64(round))
      let expected = sortedDraws(parameters, logits, count: 5)
      #expect(try draws(parameters, logits, count: 5) == expected, "round \(round)")
    }
  }

  /// The rules hold for many candidates, equal, close together or spread.
  @Test(arguments: [0, 0.001, 4, 40]) func limitsOfManyAgreeWithAFullSort(
    spread: Double
  ) throws {
    var generator = RandomGenerator(seed: 7)
    var logits = (0..<20_000).map { _ in Float(generator.nextUnit() * spread) }
    for outlier: Float in [0, 9, 3e38] {
      logits[77] += outlier
      for limits in [
        SamplingParameters(topP: 0.95, seed: 3), SamplingParameters(topK: 12_000, seed: 3),
        SamplingParameters(topK: 4000, topP: 0.5, minP: 0.01, seed: 3),
      ] {
        let expected = sortedDraws(limits, logits, count: 3)
        #expect(try draws(limits, logits, count: 3) == expected, "\(outlier) \(limits)")
      }
    }
  }

  @Test(arguments: KernelVariant.available) func everyVariantDrawsTheSame(
    _ variant: KernelVariant
  ) throws {
    var generator = RandomGenerator(seed: 17)
    let logits = (0..<3001).map { _ in Float(generator.nextUnit() * 9) }
    let tokens = SampleableTokens(vocabularySize: logits.count) { $0 % 1000 == 5 }
    for parameters in [
      SamplingParameters(temperature: 0.7, seed: 4), SamplingParameters(topK: 99, seed: 4),
      SamplingParameters(temperature: 1.3, topP: 0.9, repetitionPenalty: 1.2, seed: 4),
    ] {
      let (draws, expected) = try [variant, .scalar].map { variant in
        var workspace = SamplerWorkspace(vocabularySize: logits.count, variant: variant)
        var sampler = try Sampler(parameters, tokens: tokens)
        return try (0..<100).map { _ in
          try sampler.sample(logits.span, workspace: &workspace)
        }
      }.pair
      #expect(draws == expected)
    }
  }

  /// The rules written down directly.
  private func sortedDraws(
    _ parameters: SamplingParameters, _ logits: [Float], count: Int
  ) -> [TokenID] {
    var order = Array(logits.indices)
    let peak = logits.max() ?? 0
    let weighing = LogitKernels.Weighing(
      peak: peak, sharpness: 1, minimum: -.greatestFiniteMagnitude)
    let kernels = LogitKernels(variant: .scalar)
    let weights = logits.map { kernels.weight(of: [$0].span, weighing) }
    let sorts = (parameters.topK > 0 && parameters.topK < logits.count) || parameters.topP < 1
    if sorts { order.sort { (logits[$1], $0) < (logits[$0], $1) } }
    if parameters.topK > 0 { order = Array(order.prefix(parameters.topK)) }
    if parameters.topP < 1 {
      let total = order.map { weights[$0] }.reduce(0, +)
      var sum: UInt64 = 0
      var length = 0
      for id in order {
        length += 1
        sum += weights[id]
        if Double(sum) >= Double(parameters.topP) * Double(total) { break }
      }
      order = Array(order.prefix(length))
    }
    if parameters.minP > 0 {
      order.removeAll { logits[$0] < peak + Float(log(Double(parameters.minP))) }
    }
    var generator = RandomGenerator(seed: parameters.seed ?? 0)
    let total = order.map { weights[$0] }.reduce(0, +)
    return (0..<count).map { _ in
      let unit = generator.nextUnit()
      var sum: UInt64 = 0
      for id in order {
        sum += weights[id]
        if Double(sum) > unit * Double(total) { return TokenID(id) }
      }
      return TokenID(order[0])
    }
  }
}

extension Array {
  /// The first two elements.
  fileprivate var pair: (Element, Element) { (self[0], self[1]) }
}

@Suite(.serialized, .enabled(if: Allocations.areCounted)) struct SamplerAllocationTests {
  @Test(arguments: [
    SamplingParameters.greedy, SamplingParameters(seed: 1), SamplingParameters(topP: 0.95, seed: 1),
    SamplingParameters(topK: 40, topP: 0.9, minP: 0.01, repetitionPenalty: 1.1, seed: 1),
  ]) func aDrawAllocatesNothing(parameters: SamplingParameters) throws {
    var generator = RandomGenerator(seed: 5)
    let logits = (0..<20_000).map { _ in Float(generator.nextUnit() * 4) }
    var workspace = SamplerWorkspace(vocabularySize: logits.count)
    var sampler = try Sampler(
      parameters, tokens: SampleableTokens(vocabularySize: logits.count), expected: 100)
    let allocations = try Allocations.count {
      for _ in 0..<50 { _ = try sampler.sample(logits.span, workspace: &workspace) }
    }
    #expect(allocations.own == 0)
  }
}

@Suite struct SamplingParametersTests {
  @Test(arguments: [
    (SamplingParameters(temperature: -0.1), "temperature: must be from 0 to 2, not -0.1"),
    (SamplingParameters(temperature: .nan), "temperature: must be from 0 to 2, not nan"),
    (SamplingParameters(topK: -1), "top_k: must be 0 (all) or more, not -1"),
    (SamplingParameters(topP: 1.5), "top_p: must be from 0 to 1, not 1.5"),
    (SamplingParameters(minP: -1), "min_p: must be from 0 to 1, not -1"),
    (
      SamplingParameters(repetitionPenalty: 0),
      "repetition_penalty: must be above 0 and at most 10, not 0.0"
    ),
    (
      SamplingParameters(frequencyPenalty: 3), "frequency_penalty: must be from -2 to 2, not 3"
    ),
    (
      SamplingParameters(presencePenalty: -.infinity),
      "presence_penalty: must be from -2 to 2, not -inf"
    ),
    (
      SamplingParameters(penaltyWindow: -1),
      "penalty_window: must be from 0 to 1048576, not -1"
    ),
    (SamplingParameters(logitBias: [3: 101]), "logit_bias: must be from -100 to 100, not 101"),
    (SamplingParameters(logitBias: [-1: 1]), "logit_bias: token -1 does not exist"),
  ])
  func valuesOutOfRangeAreNamed(parameters: SamplingParameters, message: String) {
    #expect { try parameters.validate() } throws: { "\($0)" == message }
  }

  @Test func biasBeyondTheVocabularyIsRefused() {
    #expect {
      try Sampler(
        SamplingParameters(logitBias: [8: 1]), tokens: SampleableTokens(vocabularySize: 8))
    } throws: {
      "\($0)" == "logit_bias: token 8 does not exist; the vocabulary has 8"
    }
  }

  @Test func sampleableTokensAreRanges() {
    let tokens = SampleableTokens(vocabularySize: 10) { [0, 4, 5, 9].contains($0) }
    #expect(tokens.ranges == [1..<4, 6..<9])
    #expect(SampleableTokens(vocabularySize: 3) { _ in true }.ranges.isEmpty)
    #expect(SampleableTokens(vocabularySize: 3).ranges == [0..<3])
  }
}
