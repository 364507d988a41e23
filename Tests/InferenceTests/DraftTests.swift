import Inference
import Testing
import Tokenization

/// Where drafts come from, and how many are verified.
@Suite struct DraftTests {
  private func draft(_ text: [TokenID], most count: Int = 4) -> PromptLookup? {
    PromptLookup(after: text.span, most: count)
  }

  @Test func theLatestOfTheLongestRepetitionsIsContinued() {
    #expect(draft([]) == nil)
    #expect(draft([1, 1]) == nil)
    #expect(draft([1, 2, 3, 4, 5]) == nil)
    #expect(draft([1, 2, 3, 9, 1, 2], most: 0) == nil)
    #expect(draft([1, 2, 3, 4, 9, 1, 2])?.tokens == [3, 4, 9, 1])
    #expect(draft([1, 2, 3, 9, 1, 2, 4, 8, 1, 2], most: 2)?.tokens == [4, 8])
    let longest = draft([7, 1, 2, 3, 5, 1, 2, 4, 7, 1, 2], most: 2)
    #expect(longest?.tokens == [3, 5] && longest?.equalCount == 3)
  }

  @Test func aTextThatGoesRoundInCirclesIsFollowed() {
    #expect(draft([5, 5, 5], most: 3)?.tokens == [5, 5, 5])
    #expect(draft([8, 1, 2, 3, 1, 2, 3, 1, 2], most: 5)?.tokens == [3, 1, 2, 3, 1])
  }

  private func learned(_ times: [(rows: Int, seconds: Double)]) -> StepCost {
    var cost = StepCost()
    for _ in 0..<3 { for time in times { cost.record(rows: time.rows, seconds: time.seconds) } }
    return cost
  }

  private func worth(_ count: Int, chance: Double, _ cost: StepCost, rows: Int = 1) -> Int {
    DraftBudget(.automatic, cost: cost, rows: rows, tokens: rows).worth(count, chance: chance)
  }

  @Test func draftsAreVerifiedWhereRowsAreCheap() {
    // A round trip of 10 ms and 1 ms a row.
    let remote = learned((1...9).map { (rows: $0, seconds: 0.01 + 0.001 * Double($0)) })
    #expect(worth(8, chance: 0.9, remote) >= 6)
    #expect(worth(8, chance: 0.5, remote) == 2)
    #expect(worth(8, chance: 0.05, remote) == 0)
    // Nothing but work: a row as a second step.
    let busy = learned((1...9).map { (rows: $0, seconds: 0.01 * Double($0)) })
    #expect(worth(8, chance: 0.95, busy) == 0)
    #expect(DraftBudget(.fixed(3), cost: busy, rows: 1, tokens: 1).worth(3, chance: 0) == 3)
  }

  @Test func whatRowsCostIsTried() {
    #expect(worth(8, chance: 0.9, StepCost()) == 0, "no step has been run")
    let first = learned([(rows: 1, seconds: 0.01)])
    #expect(worth(8, chance: 0.9, first) == 8)
    #expect(worth(8, chance: 0.1, first) == 0)
  }

  @Test func aStepStaysWithinItsLimit() {
    let cost = learned((1...9).map { (rows: $0, seconds: 0.01 + 0.001 * Double($0)) })
    let budget = DraftBudget(.automatic, cost: cost, rows: 1, tokens: 1, limit: 0.0145)
    #expect(budget.worth(8, chance: 0.9) == 3)
  }

  @Test func badDraftsAreGivenUpForAWhile() throws {
    let text: [TokenID] = [1, 2, 3, 4, 9, 1, 2]
    let draft = try #require(self.draft(text))
    var acceptance = DraftAcceptance()
    #expect(acceptance.chance(draft) == 0.6)
    for _ in 0..<20 { acceptance.record(draft, accepted: 0) }
    #expect(acceptance.chance(draft) < 0.05)
    for _ in 0..<400 { acceptance.skip(draft) }
    #expect(acceptance.chance(draft) > 0.5)
    for _ in 0..<20 { acceptance.record(draft, accepted: 4) }
    #expect(acceptance.chance(draft) > 0.95)
  }
}
