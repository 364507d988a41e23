extension Scheduler {
  /// Fills a step: decode rows, then parts of prompts.
  mutating func planStep(memory: some SequenceMemory, plan: inout StepPlan) {
    planDecodes(memory: memory, plan: &plan)
    let budget = promptRows(beside: plan.slots.count)
    guard budget > 0 else { return }
    if plan.preempted.isEmpty { admit(budget: budget, memory: memory, plan: &plan) }
    planPrompts(budget: budget, memory: memory, plan: &plan)
  }

  /// A step of one sequence only.
  mutating func planAlone(
    _ id: SequenceID, memory: some SequenceMemory, plan: inout StepPlan
  ) {
    guard let entry = entries[id], entry.isRunning else { return }
    let count = memory.reserve(id, upTo: min(entry.remainingCount, limits.maxStepRows))
    if count > 0 { add(id, count, to: &plan) }
  }

  /// The next token of every sequence that is past its prompt, highest rank first.
  private mutating func planDecodes(memory: some SequenceMemory, plan: inout StepPlan) {
    for id in running {
      guard let entry = entries[id], entry.isRunning, entry.isDecoding else { continue }
      if makeRoom(for: id, memory: memory, plan: &plan) { add(id, 1, to: &plan) }
    }
  }

  /// Room for one more token, if need be at the expense of lower ranks, in the end its own.
  private mutating func makeRoom(
    for id: SequenceID, memory: some SequenceMemory, plan: inout StepPlan
  ) -> Bool {
    while memory.reserve(id, upTo: 1) == 0 {
      guard let last = running.last, running.count > 1 else { return false }
      preempt(last, memory: memory, plan: &plan)
      if last == id { return false }
    }
    return true
  }

  /// How many rows of prompts the step may have.
  private func promptRows(beside decodeRows: Int) -> Int {
    let room = limits.maxStepRows - decodeRows
    guard decodeRows > 0 else { return room }
    var limit = limits.maxInterTokenLatency.map { $0 / .seconds(1) }
    if limit == nil { limit = cost.seconds(rows: decodeRows).map { 2 * $0 } }
    let fitting = limit.flatMap {
      cost.rowsThatFit(beside: decodeRows, within: $0, most: room)
    }
    return min(room, max(limits.minimumChunk, fitting ?? limits.firstChunk))
  }

  /// Gives caches to waiting sequences, as far as this step can use them.
  private mutating func admit(budget: Int, memory: some SequenceMemory, plan: inout StepPlan) {
    while let (id, key) = nextToAdmit(), isWanted(key, budget: budget),
      admit(id, of: key, memory: memory, plan: &plan)
    {}
  }

  /// Gives a sequence a cache, if need be that of a key which has more than its share; false when
  /// there is none.
  private mutating func admit(
    _ id: SequenceID, of key: FairQueue.Key, memory: some SequenceMemory, plan: inout StepPlan
  ) -> Bool {
    guard let entry = entries[id] else { return false }
    repeat {
      guard running.count < limits.maxSequences else { continue }
      let leader = entry.leader.flatMap { entries[$0]?.isRunning == true ? $0 : nil }
      let cached = memory.begin(id, sharing: leader)
      let needed = pages(entry.tokenCount + 1, memory) - memory.pageCount(of: id)
      if running.isEmpty || memory.availablePages >= needed + committedPages(memory) {
        queue.start(id, of: key)
        start(id, cached: cached)
        plan.admitted.append((id, cached))
        return true
      }
      memory.release(id)
    } while takeBack(for: key, memory: memory, plan: &plan)
    return false
  }

  /// Preempts the youngest sequence of a key that has more than its share while `key` has less; false
  /// when there is none.
  private mutating func takeBack(
    for key: FairQueue.Key, memory: some SequenceMemory, plan: inout StepPlan
  ) -> Bool {
    guard let debtor = queue.debtor(to: key, of: running.count),
      let last = running.last(where: { entries[$0]?.key == debtor })
    else { return false }
    plan.slots.removeAll { $0.sequence == last }
    plan.admitted.removeAll { $0.sequence == last }
    preempt(last, memory: memory, plan: &plan)
    return true
  }

  private mutating func start(_ id: SequenceID, cached: Int) {
    guard var entry = entries[id] else { return }
    entry.isRunning = true
    entry.computedCount = cached
    entry.paidCount = max(entry.paidCount, cached)
    entries[id] = entry
    let index = running.firstIndex { outranks(id, $0) } ?? running.endIndex
    running.insert(id, at: index)
  }

  /// The head of the key that has paid least; one that waits for its leader's prompt is passed by.
  private func nextToAdmit() -> (id: SequenceID, key: FairQueue.Key)? {
    queue.heads.first { id, _ in
      guard let leader = entries[id]?.leader, let other = entries[leader] else { return true }
      return other.isRunning && other.computedCount >= other.promptCount
    }
  }

  /// Whether the prompts under way leave rows, or belong to keys that had more than this one.
  private func isWanted(_ key: FairQueue.Key, budget: Int) -> Bool {
    var backlog = 0
    var least = Double.infinity
    for id in running {
      guard let entry = entries[id], !entry.isDecoding else { continue }
      backlog += entry.remainingCount
      least = min(least, queue.paid(entry.key))
    }
    return backlog < budget || queue.paid(key) < least
  }

  /// Pages that the running sequences will need for what they know, and one for every fourth.
  private func committedPages(_ memory: some SequenceMemory) -> Int {
    running.reduce(running.count / 4 + 1) { sum, id in
      let needed = pages((entries[id]?.tokenCount ?? 0) + 1, memory)
      return sum + max(0, needed - memory.pageCount(of: id))
    }
  }

  private func pages(_ tokens: Int, _ memory: some SequenceMemory) -> Int {
    (tokens + memory.pageSize - 1) / memory.pageSize
  }

  private func outranks(_ first: SequenceID, _ second: SequenceID) -> Bool {
    let ranks = [first, second].map { entries[$0]?.key.priority.rawValue ?? 0 }
    return ranks[0] != ranks[1] ? ranks[0] > ranks[1] : first < second
  }

  /// Parts of prompts, and of what was admitted just now, a quantum at a time to the key that has
  /// paid least.
  private mutating func planPrompts(
    budget: Int, memory: some SequenceMemory, plan: inout StepPlan
  ) {
    // Who was preempted may find all of its tokens in the cache, and only the next one is left.
    var candidates = running.filter { id in
      entries[id]?.isDecoding == false || plan.admitted.contains { $0.sequence == id }
    }
    var counts: [SequenceID: Int] = [:]
    var order: [SequenceID] = []
    var left = budget
    while left > 0, let id = candidates.min(by: isServedBefore), let entry = entries[id] {
      let planned = counts[id, default: 0]
      let quantum = candidates.count > 1 ? limits.quantum : left
      let wanted = min(entry.remainingCount - planned, left, quantum)
      let count = memory.reserve(id, upTo: planned + wanted)
      let granted = max(0, count - planned)
      if granted < wanted || planned + granted == entry.remainingCount {
        candidates.removeAll { $0 == id }
      }
      guard granted > 0 else { continue }
      if planned == 0 { order.append(id) }
      counts[id] = planned + granted
      left -= granted
      pay(for: id, upTo: entry.computedCount + planned + granted)
    }
    for id in order { add(id, counts[id, default: 0], to: &plan) }
  }

  private func isServedBefore(_ first: SequenceID, _ second: SequenceID) -> Bool {
    guard let a = entries[first], let b = entries[second] else { return first < second }
    return (queue.paid(a.key), first) < (queue.paid(b.key), second)
  }

  /// Charges the key of a sequence for what it has not paid of its first `count` tokens.
  mutating func pay(for id: SequenceID, upTo count: Int) {
    guard var entry = entries[id], count > entry.paidCount else { return }
    queue.charge(entry.key, rows: count - entry.paidCount)
    entry.paidCount = count
    entries[id] = entry
  }

  private mutating func add(_ id: SequenceID, _ count: Int, to plan: inout StepPlan) {
    guard let entry = entries[id] else { return }
    pay(for: id, upTo: entry.computedCount + count)
    plan.slots.append(
      StepPlan.Slot(
        sequence: id, count: count, reachesEnd: count == entry.remainingCount))
  }
}
