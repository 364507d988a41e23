/// Decides what each step consists of; holds no clock, no model and no thread.
///
/// Sequences join and leave between steps. A step is the next token of every sequence that is past
/// its prompt, then parts of prompts, as many rows as the latency that is left allows. When memory
/// runs out, the sequence of lowest rank (lowest priority, then youngest) gives its pages back and
/// is run again later; the highest one is never touched, so that something always moves.
package struct Scheduler {
  /// The bounds of a step.
  package struct Limits: Sendable {
    /// Tokens in a step.
    package var maxStepRows: Int
    /// Sequences that run at a time; at most `maxStepRows`.
    package var maxSequences: Int
    /// How long a step with decode rows may take; nil: twice as long as without prompts.
    package var maxInterTokenLatency: Duration?
    /// Prompt tokens that a step takes however slow it is.
    package var minimumChunk = 4
    /// Prompt tokens in a step as long as nothing is known of its time.
    package var firstChunk = 32
    /// Prompt tokens after which it is another key's turn.
    package var quantum = 64

    package init(maxStepRows: Int, maxSequences: Int, maxInterTokenLatency: Duration? = nil) {
      self.maxStepRows = maxStepRows
      self.maxSequences = maxSequences
      self.maxInterTokenLatency = maxInterTokenLatency
    }
  }

  /// A sequence as the scheduler sees it.
  struct Entry {
    let key: FairQueue.Key
    /// When it has to be over.
    let deadline: (time: Duration, limit: Duration)?
    /// A sequence with the same prompt, whose pages this one waits for.
    let leader: SequenceID?
    let promptCount: Int
    /// Tokens known: the prompt and the answer so far.
    var tokenCount: Int
    /// Tokens that have been run and are in the cache.
    var computedCount = 0
    /// Tokens that the key has paid for, or that were there; running them again costs it nothing.
    var paidCount = 0
    var isRunning = false

    var remainingCount: Int { tokenCount - computedCount }
    var isDecoding: Bool { remainingCount == 1 && computedCount >= promptCount }
  }

  let limits: Limits
  var entries: [SequenceID: Entry] = [:]
  /// Sequences with a cache, highest rank first.
  var running: [SequenceID] = []
  var queue = FairQueue()
  var cost = StepCost()
  /// Sequences of a step that failed, each of which is tried alone.
  var suspects: [SequenceID] = []
  private var aloneFailureCount = 0
  private var deadlineCount = 0

  package init(_ limits: Limits) {
    precondition(limits.maxSequences >= 1 && limits.maxSequences <= limits.maxStepRows)
    self.limits = limits
  }

  /// Sequences that wait for a cache.
  package var waitingCount: Int { queue.waitingCount }
  /// Sequences that have one.
  package var runningCount: Int { running.count }
  /// Whether there is nothing to do.
  package var isIdle: Bool { entries.isEmpty }

  /// Adds a sequence of `promptCount` tokens.
  package mutating func submit(
    _ id: SequenceID, promptCount: Int, key: FairQueue.Key,
    deadline: (time: Duration, limit: Duration)? = nil, leader: SequenceID? = nil
  ) {
    precondition(entries[id] == nil && promptCount > 0)
    entries[id] = Entry(
      key: key, deadline: deadline, leader: leader, promptCount: promptCount,
      tokenCount: promptCount)
    if deadline != nil { deadlineCount += 1 }
    queue.append(id, to: key)
  }

  /// Forgets a sequence that is over, or that nobody wants any more.
  package mutating func remove(_ id: SequenceID, memory: some SequenceMemory) {
    guard let entry = entries.removeValue(forKey: id) else { return }
    if entry.deadline != nil { deadlineCount -= 1 }
    suspects.removeAll { $0 == id }
    if entry.isRunning {
      memory.release(id)
      running.removeAll { $0 == id }
      queue.stop(entry.key)
    } else {
      queue.withdraw(id, of: entry.key)
    }
  }

  /// Takes note that a step has been run, which also verified `drafts` tokens.
  package mutating func complete(_ plan: StepPlan, drafts: Int = 0, seconds: Double) {
    for slot in plan.slots { entries[slot.sequence]?.computedCount += slot.count }
    cost.record(rows: plan.rowCount + drafts, seconds: seconds)
    if let first = suspects.first, plan.slots.first?.sequence == first {
      suspects.removeFirst()
      aloneFailureCount = 0
    }
  }

  /// Takes note that a sequence has more tokens, of which all but the last have been run as drafts.
  package mutating func append(_ count: Int = 1, to id: SequenceID) {
    guard count > 0, var entry = entries[id] else { return }
    entry.tokenCount += count
    entry.computedCount += count - 1
    entries[id] = entry
    pay(for: id, upTo: entry.computedCount)
  }

  /// Takes note that a step has failed; its sequences are as they were before it.
  ///
  /// Nobody shall pay for the failure of another one's tokens: so each sequence of the step is tried
  /// alone next, and ends when it fails alone. After two such failures in a row it is not they.
  /// - Returns: The sequences to end.
  package mutating func fail(_ plan: StepPlan) -> [SequenceID] {
    guard plan.slots.count == 1, let slot = plan.slots.first else {
      suspects = plan.slots.map(\.sequence)
      aloneFailureCount = 0
      return []
    }
    guard suspects.first == slot.sequence else { return [slot.sequence] }
    aloneFailureCount += 1
    if aloneFailureCount < 2 { return [slot.sequence] }
    aloneFailureCount = 0
    defer { suspects = [] }
    return suspects
  }

  /// The composition of the next step; without slots when there is nothing to run.
  package mutating func nextStep(at time: Duration, memory: some SequenceMemory) -> StepPlan {
    var plan = StepPlan()
    if deadlineCount > 0 { expire(at: time, memory: memory, plan: &plan) }
    if let suspect = suspects.first {
      planAlone(suspect, memory: memory, plan: &plan)
      if !plan.slots.isEmpty { return plan }
      suspects = []
    }
    planStep(memory: memory, plan: &plan)
    while plan.slots.isEmpty, running.count > 1, let last = running.last {
      preempt(last, memory: memory, plan: &plan)
      planStep(memory: memory, plan: &plan)
    }
    if plan.slots.isEmpty, let stuck = running.first, let entry = entries[stuck] {
      // Requests that do not fit alone are refused; this one would wait for ever.
      plan.ended.append((stuck, .cacheFull(tokens: entry.tokenCount)))
      remove(stuck, memory: memory)
    }
    return plan
  }

  /// Takes the pages of a sequence away and puts it back into the queue.
  mutating func preempt(_ id: SequenceID, memory: some SequenceMemory, plan: inout StepPlan) {
    guard var entry = entries[id], entry.isRunning else { return }
    memory.release(id)
    entry.isRunning = false
    entry.computedCount = 0
    entries[id] = entry
    running.removeAll { $0 == id }
    suspects.removeAll { $0 == id }
    queue.append(id, to: entry.key)
    queue.stop(entry.key)
    plan.preempted.append(id)
  }

  private mutating func expire(
    at time: Duration, memory: some SequenceMemory, plan: inout StepPlan
  ) {
    for (id, entry) in entries {
      guard let deadline = entry.deadline, deadline.time <= time else { continue }
      plan.ended.append((id, .deadlineExceeded(deadline.limit)))
    }
    plan.ended.sort { $0.sequence < $1.sequence }
    for (id, _) in plan.ended { remove(id, memory: memory) }
  }
}
