extension Geometry {
  /// Every published model, smallest family first.
  public static let all: [Geometry] = [
    dense(
      "deepseek-coder-1.3b", .coder, layers: 24, hidden: 2048, intermediate: 5504, heads: 16,
      keyValueHeads: 16),
    dense(
      "deepseek-coder-6.7b", .coder, layers: 32, hidden: 4096, intermediate: 11008, heads: 32,
      keyValueHeads: 32),
    dense(
      "deepseek-coder-33b", .coder, layers: 62, hidden: 7168, intermediate: 19200, heads: 56,
      keyValueHeads: 8),
    dense(
      "deepseek-llm-7b", .llm, layers: 30, hidden: 4096, intermediate: 11008, heads: 32,
      keyValueHeads: 32),
    dense(
      "deepseek-llm-67b", .llm, layers: 95, hidden: 8192, intermediate: 22016, heads: 64,
      keyValueHeads: 8),
    v2Lite("deepseek-v2-lite"), v2Lite("deepseek-coder-v2-lite"), moonlight,
    v2("deepseek-v2"), v2("deepseek-coder-v2"), v2("deepseek-v2.5"),
    v3("deepseek-v3"), v3("deepseek-r1"), kimiK2,
  ]

  /// The published model of that name, or nil.
  public static func named(_ name: String) -> Geometry? { all.first { $0.name == name } }

  private static func dense(
    _ name: String, _ vocabulary: VocabularyStyle, layers: Int, hidden: Int, intermediate: Int,
    heads: Int, keyValueHeads: Int
  ) -> Geometry {
    let isCoder = vocabulary == .coder
    return Geometry(
      name, layers: layers, hidden: hidden, intermediate: intermediate,
      context: isCoder ? 16384 : 4096,
      rotary: RotaryGeometry(
        theta: isCoder ? 100_000 : 10_000, scaling: isCoder ? .linear(factor: 4) : .none),
      attention: .grouped(heads: heads, keyValueHeads: keyValueHeads, headSize: 128),
      vocabulary: vocabulary, tokens: isCoder ? 32256 : 102_400)
  }

  private static func latent(heads: Int, queryRank: Int?) -> AttentionGeometry {
    .latent(
      heads: heads, queryRank: queryRank, keyValueRank: 512, nope: 128, rope: 64, value: 128)
  }

  private static func yarn(
    _ factor: Float, theta: Float = 10_000, multiplier: Float = 0.1, betaFast: Float = 32
  ) -> RotaryGeometry {
    RotaryGeometry(
      theta: theta,
      scaling: .yarn(
        factor: factor, original: 4096, logMultiplier: multiplier, betaFast: betaFast, betaSlow: 1))
  }

  private static func v2Lite(_ name: String) -> Geometry {
    Geometry(
      name, layers: 27, hidden: 2048, intermediate: 10944, context: 163_840,
      rotary: yarn(40, multiplier: 0.0707), attention: latent(heads: 16, queryRank: nil),
      experts: ExpertsGeometry(
        count: 64, used: 6, shared: 2, intermediateSize: 1408, groups: nil, usesSigmoid: false,
        scale: 1, leadingDenseLayers: 1),
      vocabulary: .v2, tokens: 102_400)
  }

  private static func v2(_ name: String) -> Geometry {
    Geometry(
      name, layers: 60, hidden: 5120, intermediate: 12288, context: 163_840, rotary: yarn(40),
      attention: latent(heads: 128, queryRank: 1536),
      experts: ExpertsGeometry(
        count: 160, used: 6, shared: 2, intermediateSize: 1536, groups: (8, 3),
        usesSigmoid: false, scale: 16, leadingDenseLayers: 1),
      vocabulary: .v2, tokens: 102_400)
  }

  private static func v3(_ name: String) -> Geometry {
    Geometry(
      name, layers: 61, hidden: 7168, intermediate: 18432, context: 163_840, rotary: yarn(40),
      attention: latent(heads: 128, queryRank: 1536),
      experts: ExpertsGeometry(
        count: 256, used: 8, shared: 1, intermediateSize: 2048, groups: (8, 4), usesSigmoid: true,
        scale: 2.5, leadingDenseLayers: 3),
      vocabulary: .v3, tokens: 129_280)
  }

  private static let kimiK2 = Geometry(
    "kimi-k2", layers: 61, hidden: 7168, intermediate: 18432, context: 131_072,
    rotary: yarn(32, theta: 50_000, betaFast: 1), attention: latent(heads: 64, queryRank: 1536),
    experts: ExpertsGeometry(
      count: 384, used: 8, shared: 1, intermediateSize: 2048, groups: nil, usesSigmoid: true,
      scale: 2.827, leadingDenseLayers: 1),
    vocabulary: .kimi, tokens: 163_840)

  private static let moonlight = Geometry(
    "moonlight", layers: 27, hidden: 2048, intermediate: 11264, context: 8192, epsilon: 1e-5,
    rotary: RotaryGeometry(theta: 50_000, scaling: .none),
    attention: latent(heads: 16, queryRank: nil),
    experts: ExpertsGeometry(
      count: 64, used: 6, shared: 2, intermediateSize: 1408, groups: nil, usesSigmoid: true,
      scale: 2.446, leadingDenseLayers: 1),
    vocabulary: .kimi, tokens: 163_840)
}
