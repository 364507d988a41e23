import DeepSeek
import Testing

@Suite("Rotary angles")
struct RotaryTests {
  struct Expected: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let settings: @Sendable () -> [String: Setting]
    let scale: Double
    let low: Double
    let high: Double
  }

  static let expected = [
    Expected(
      testDescription: "V2", settings: { PublishedModels.v2 }, scale: 0.1352338, low: 10,
      high: 23),
    Expected(
      testDescription: "V2-Lite", settings: { PublishedModels.v2Lite }, scale: 0.1147214, low: 10,
      high: 23),
    Expected(
      testDescription: "V3", settings: { PublishedModels.v3 }, scale: 0.1352338, low: 10,
      high: 23),
    Expected(
      testDescription: "Kimi-K2", settings: { PublishedModels.kimiK2 }, scale: 0.1308608, low: 19,
      high: 20),
  ]

  @Test("published models have the scales and ramps of the specification", arguments: expected)
  func derivedNumbers(expected: Expected) throws {
    let model = try PublishedModels.configuration(expected.settings())
    #expect(abs(model.attentionScale - expected.scale) < 1e-7)
    #expect(model.rotary.amplitude == 1)
    guard case .yarn(let yarn) = model.rotary.scaling else {
      Issue.record("no YaRN")
      return
    }
    let ramp = yarn.ramp(base: model.rotary.base, size: 64)
    #expect(ramp == YarnScaling.Ramp(low: expected.low, high: expected.high))
  }

  @Test("Kimi-K2 with factor 64 has its own scale")
  func kimiFactor64() throws {
    let settings = PublishedModels.kimiK2.merging(
      PublishedModels.yarn(factor: 64, mscale: 1, betaFast: 1)
    ) { $1 }
    let model = try PublishedModels.configuration(settings)
    #expect(abs(model.attentionScale - 0.1446796) < 1e-7)
  }

  @Test("fast pairs keep their frequency and slow ones are divided by the factor")
  func yarnFrequencies() throws {
    let model = try PublishedModels.configuration(PublishedModels.v2)
    let plain = RotaryConfiguration(base: 10000, scaling: .none).frequencies(size: 64)
    let yarn = model.rotary.frequencies(size: 64)
    #expect(yarn.count == 32)
    for pair in 0...10 { #expect(yarn[pair] == plain[pair]) }
    for pair in 23..<32 { #expect(abs(yarn[pair] / plain[pair] - 1.0 / 40) < 1e-15) }
    #expect(yarn[16] < plain[16] && yarn[16] > plain[16] / 40)
  }

  @Test("linear scaling divides all positions")
  func linear() throws {
    let model = try PublishedModels.configuration(PublishedModels.coder6B)
    #expect(model.rotary.frequencies(size: 128)[0] == 0.25)
    #expect(model.attentionScale == 1 / 128.0.squareRoot())
  }

  @Test("equal ends of the ramp are moved apart")
  func degenerateRamp() {
    var yarn = YarnScaling(factor: 4, originalContext: 64)
    let turns = 64 / (2 * Double.pi) * 1.01  // a little before the first pair
    (yarn.betaFast, yarn.betaSlow) = (turns, turns)
    #expect(yarn.ramp(base: 10000, size: 8) == YarnScaling.Ramp(low: 0, high: 0.001))
  }

  @Test("the amplitude follows the mscale settings")
  func amplitude() {
    var yarn = YarnScaling(factor: 40, originalContext: 4096)
    #expect(abs(yarn.amplitude - 1.3688879) < 1e-6)
    (yarn.mscale, yarn.mscaleAllDim) = (1, 0.5)
    #expect(abs(yarn.amplitude - 1.3688879 / 1.18444397) < 1e-6)
    yarn.attentionFactor = 1.25
    #expect(yarn.amplitude == 1.25)
  }
}
