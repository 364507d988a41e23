import DeepSeek
import Experts
import TestSupport
import Testing

/// Measuring a step changes nothing, and finds all of it.
@Suite struct StepProfileTests {
  static let tokens: [Int32] = [1, 20, 300, 4, 50, 6]

  @Test func `a profile adds up the parts and changes no bit`() throws {
    let loaded = try LoadedModel(Fixtures.demoModel)
    let plain = try loaded.logits(Self.tokens)
    let profile = StepProfile()
    loaded.model.profile = profile
    let clock = ContinuousClock()
    let start = clock.now
    #expect(try loaded.logits(Self.tokens) == plain)
    let whole = clock.now - start
    let parts = StepPart.allCases.map { profile.duration(of: $0) }
    #expect(parts.allSatisfy { $0 > .zero })
    #expect(parts.reduce(.zero, +) <= whole)
    loaded.model.profile = nil
    _ = try loaded.logits(Self.tokens)
    #expect(StepPart.allCases.map { profile.duration(of: $0) } == parts)
  }

  @Test func `every part costs what its matrices hold`() throws {
    let model = try LoadedModel(Fixtures.demoModel).model
    let geometry = try #require(model.catalog?.geometry)
    let experts = model.cost(of: .experts, length: 1)
    let perExpert = 3 * geometry.hiddenSize * geometry.expertIntermediateSize
    #expect(
      experts.productCount == perExpert * geometry.expertsPerToken * geometry.moeLayers.count)
    #expect(
      experts.byteCount == geometry.byteCount / geometry.expertCount * geometry.expertsPerToken)
    #expect(
      model.cost(of: .head, length: 1).productCount
        == model.configuration.vocabularySize * geometry.hiddenSize)
    let (one, ten) = (
      model.cost(of: .attention, length: 1), model.cost(of: .attention, length: 10)
    )
    #expect(ten.byteCount == 10 * one.byteCount && ten.productCount == 10 * one.productCount)
    #expect(one.byteCount > 0)
    for part in [StepPart.attentionProjections, .router, .shared, .dense] {
      let cost = model.cost(of: part, length: 1)
      #expect(cost.byteCount > 0 && cost.productCount > 0)
      #expect(cost == model.cost(of: part, length: 2))
    }
    #expect(model.cost(of: .rest, length: 1) == StepCost())
  }

  @Test func `repeated pages hold what was stored`() throws {
    let page = (0..<64).map { Int32($0 * 37 % 400 + 3) }
    let loaded = try LoadedModel(Fixtures.demoModel)
    func next(_ tokens: [Int32], lengths: [Int]) throws -> [Float] {
      let cache = try loaded.model.makeCache(capacity: 400)
      _ = try loaded.run([(tokens, cache)])
      for length in lengths { try cache.repeatPages(to: length) }
      #expect(cache.length == lengths.last)
      let logits = try loaded.run([([7], cache)])
      #expect(cache.length == (lengths.last ?? 0) + 1)
      return logits
    }
    let once = try next(page, lengths: [200])
    #expect(try next(page, lengths: [128, 200]) == once)
    #expect(try next(page.reversed(), lengths: [200]) != once)
  }
}
