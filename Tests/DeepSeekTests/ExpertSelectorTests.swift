import DeepSeek
import Testing

@Suite("Choosing experts")
struct ExpertSelectorTests {
  /// Picks and weights for one token.
  private func select(
    _ method: RoutingMethod, top: Int, _ scores: [Float], bias: [Float] = []
  ) -> (ids: [Int32], weights: [Float]) {
    let selector = ExpertSelector(
      method: method, expertCount: scores.count, expertsPerToken: top, bias: bias)
    var ids = [Int32](repeating: -1, count: top)
    var weights = [Float](repeating: 0, count: top)
    var idSpan = ids.mutableSpan
    var weightSpan = weights.mutableSpan
    var scratch = selector.makeScratch()
    selector.select(scores.span, scratch: &scratch, ids: &idSpan, weights: &weightSpan)
    return (ids, weights)
  }

  private func method(
    groups: Int = 1, selected: Int = 1, score: RoutingMethod.GroupScore = .best,
    normalizes: Bool = false, scale: Float = 1, biased: Bool = false
  ) -> RoutingMethod {
    var method = RoutingMethod()
    method.usesSelectionBias = biased
    (method.groupCount, method.selectedGroupCount) = (groups, selected)
    method.groupScore = score
    method.normalizesWeights = normalizes
    method.weightScale = scale
    return method
  }

  @Test("the largest come first, and the lower index where they are equal")
  func plain() {
    let picks = select(method(scale: 2), top: 3, [0.1, 0.4, 0.1, 0.4, 0.3])
    #expect(picks.ids == [1, 3, 4])
    #expect(picks.weights == [0.8, 0.8, 0.6])
  }

  /// Where llama.cpp and the published code differ.
  ///
  /// By its best expert the first group wins, by its two best experts the second one does.
  @Test("the two rules choose different groups")
  func groupRules() {
    let scores: [Float] = [0.5, 0.05, 0.4, 0.35, 0.3, 0.29]
    let best = select(method(groups: 3, selected: 1), top: 2, scores)
    #expect(best.ids == [0, 1])
    let twoBest = select(method(groups: 3, selected: 1, score: .twoBest), top: 2, scores)
    #expect(twoBest.ids == [2, 3])
  }

  @Test("of equal groups the lower one stays")
  func equalGroups() {
    let picks = select(method(groups: 3, selected: 2), top: 2, [0.2, 0.1, 0.2, 0.1, 0.2, 0.1])
    #expect(picks.ids == [0, 2])
  }

  @Test("the bias chooses, the score weighs")
  func bias() {
    let picks = select(
      method(normalizes: true, scale: 2.5, biased: true), top: 2, [0.5, 0.25, 0.75, 0.5],
      bias: [0, 0.75, -1, 0])
    #expect(picks.ids == [1, 0])
    #expect(picks.weights == [2.5 * (0.25 / 0.75), 2.5 * (0.5 / 0.75)])
  }

  @Test("masked groups stay masked when all their rivals are negative")
  func negativeChoice() {
    let picks = select(
      method(groups: 2, selected: 1, score: .twoBest, biased: true), top: 2,
      [0.5, 0.5, 0.1, 0.1], bias: [-1, -1, -2, -2])
    #expect(picks.ids == [0, 1])
  }

  @Test("scores that are not numbers still give distinct experts")
  func notANumber() {
    let picks = select(
      method(groups: 2, selected: 1), top: 2, [.nan, .nan, .nan, .nan])
    #expect(Set(picks.ids).count == 2)
  }
}
