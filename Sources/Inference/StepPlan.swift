/// What the next step consists of, and what changed on the way to it.
package struct StepPlan: Sendable, Equatable {
  /// Tokens of one sequence, after those that have been run.
  package struct Slot: Sendable, Equatable {
    package let sequence: SequenceID
    package let count: Int
    /// Whether these are the last known tokens, so that logits are wanted.
    package let reachesEnd: Bool
  }

  /// Tokens to run, decode rows first.
  package internal(set) var slots: [Slot] = []
  /// Sequences that left the queue, with the tokens that need not be run.
  package internal(set) var admitted: [(sequence: SequenceID, cachedTokens: Int)] = []
  /// Sequences that gave their cache away and wait again.
  package internal(set) var preempted: [SequenceID] = []
  /// Sequences that are over, and why.
  package internal(set) var ended: [(sequence: SequenceID, error: InferenceError)] = []

  /// Tokens in the step.
  package var rowCount: Int { slots.reduce(0) { $0 + $1.count } }

  package static func == (first: StepPlan, second: StepPlan) -> Bool {
    first.slots == second.slots && first.preempted == second.preempted
      && first.admitted.elementsEqual(second.admitted, by: ==)
      && first.ended.elementsEqual(second.ended, by: ==)
  }
}
