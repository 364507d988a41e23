/// What the next step consists of, and what changed on the way to it.
struct StepPlan: Sendable, Equatable {
  /// Tokens of one sequence, after those that have been run.
  struct Slot: Sendable, Equatable {
    let sequence: SequenceID
    let count: Int
    /// Whether these are the last known tokens, so that logits are wanted.
    let reachesEnd: Bool
  }

  /// Tokens to run, decode rows first.
  var slots: [Slot] = []
  /// Sequences that left the queue, with the tokens that need not be run.
  var admitted: [(sequence: SequenceID, cachedTokens: Int)] = []
  /// Sequences that gave their cache away and wait again.
  var preempted: [SequenceID] = []
  /// Sequences that are over, and why.
  var ended: [(sequence: SequenceID, error: InferenceError)] = []

  /// Tokens in the step.
  var rowCount: Int { slots.reduce(0) { $0 + $1.count } }

  static func == (first: StepPlan, second: StepPlan) -> Bool {
    first.slots == second.slots && first.preempted == second.preempted
      && first.admitted.elementsEqual(second.admitted, by: ==)
      && first.ended.elementsEqual(second.ended, by: ==)
  }
}
