/// The drafts of one sequence that runs alone, from step to step.
struct Drafter {
  private let speculation: Speculation
  private var acceptance = DraftAcceptance()
  /// What the step that runs verifies.
  private(set) var draft: PromptLookup?
  private(set) var draftedCount = 0
  private(set) var acceptedCount = 0

  init(_ speculation: Speculation) { self.speculation = speculation }

  /// Takes note of how many drafts were right.
  mutating func record(_ accepted: Int) {
    guard let draft else { return }
    acceptance.record(draft, accepted: accepted)
    draftedCount += draft.tokens.count
    acceptedCount += accepted
    self.draft = nil
  }

  /// Drafts for the next step, at most `count`.
  mutating func propose(for state: SequenceState, cost: StepCost, most count: Int) {
    guard var draft = state.draft(most: min(count, speculation.draftLimit)) else { return }
    let budget = DraftBudget(speculation, cost: cost, rows: 1, tokens: 1)
    draft.shorten(to: budget.worth(draft.tokens.count, chance: acceptance.chance(draft)))
    if draft.tokens.isEmpty { acceptance.skip(draft) } else { self.draft = draft }
  }
}
