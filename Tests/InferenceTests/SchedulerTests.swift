import Inference
import Testing

/// Room for sequences as plain numbers.
final class CountedMemory: SequenceMemory {
  let pageSize = 4
  let pageCount: Int
  /// What is run of each sequence with a cache, and its pages.
  private(set) var held: [SequenceID: (length: Int, pages: Int)] = [:]
  /// What a sequence finds in the cache when it starts; whole pages.
  var cached: [SequenceID: Int] = [:]
  /// Whether a sequence finds its own full pages again.
  var keepsReleased = false

  init(pageCount: Int) {
    self.pageCount = pageCount
  }

  var availablePages: Int { pageCount - held.values.reduce(0) { $0 + $1.pages } }

  func begin(_ sequence: SequenceID, sharing leader: SequenceID?) -> Int {
    precondition(held[sequence] == nil)
    let cached = min(cached[sequence] ?? 0, availablePages * pageSize)
    held[sequence] = (cached, cached / pageSize)
    return cached
  }

  func pageCount(of sequence: SequenceID) -> Int { held[sequence]?.pages ?? 0 }

  func reserve(_ sequence: SequenceID, upTo count: Int) -> Int {
    guard let (length, pages) = held[sequence] else { return 0 }
    let granted = min(count, (pages + availablePages) * pageSize - length)
    let needed = (length + granted + pageSize - 1) / pageSize
    held[sequence] = (length, max(pages, needed))
    return max(granted, 0)
  }

  func release(_ sequence: SequenceID) {
    let length = held.removeValue(forKey: sequence)?.length ?? 0
    if keepsReleased { cached[sequence] = length / pageSize * pageSize }
  }

  func advance(_ plan: StepPlan) {
    for slot in plan.slots {
      guard let (length, pages) = held[slot.sequence] else {
        Issue.record("a slot of a sequence without a cache")
        continue
      }
      held[slot.sequence] = (length + slot.count, pages)
      precondition(length + slot.count <= pages * pageSize)
    }
  }
}

/// Requests that a test runs through a scheduler.
struct ScriptedRun {
  struct Request {
    let promptCount: Int
    let outputCount: Int
    var key = FairQueue.Key(tenant: nil)
    var step = 0  // before which it comes
    var leader: Int?
  }

  var scheduler: Scheduler
  let memory: CountedMemory
  let requests: [Request]
  let maxStepRows: Int
  /// Steps in which each request got its tokens.
  private(set) var tokenSteps: [[Int]]
  /// Tokens run per request, again after preemption.
  private(set) var rows: [Int]
  private(set) var admissions: [Int] = []
  private(set) var preemptions: [Int] = []
  private(set) var stepCount = 0
  private(set) var plans: [StepPlan] = []
  /// Seconds that a step takes.
  var cost: (StepPlan) -> Double = { _ in 0.001 }

  init(
    _ requests: [Request], pageCount: Int = 10_000, maxStepRows: Int = 32, maxSequences: Int = 16,
    maxInterTokenLatency: Duration? = nil
  ) {
    self.requests = requests
    self.maxStepRows = maxStepRows
    memory = CountedMemory(pageCount: pageCount)
    scheduler = Scheduler(
      Scheduler.Limits(
        maxStepRows: maxStepRows, maxSequences: maxSequences,
        maxInterTokenLatency: maxInterTokenLatency))
    tokenSteps = Array(repeating: [], count: requests.count)
    rows = Array(repeating: 0, count: requests.count)
  }

  static func id(_ index: Int) -> SequenceID { SequenceID(number: UInt64(index + 1)) }
  private static func index(_ id: SequenceID) -> Int { Int(id.number) - 1 }

  /// Runs all requests to their ends, checking every step; false when it takes too long.
  mutating func run(limit: Int = 20_000) -> Bool {
    while stepCount < limit {
      for (index, request) in requests.enumerated() where request.step == stepCount {
        scheduler.submit(
          Self.id(index), promptCount: request.promptCount, key: request.key,
          leader: request.leader.map(Self.id))
      }
      let isOver = scheduler.isIdle && requests.allSatisfy { $0.step <= stepCount }
      if isOver { return true }
      step()
    }
    return false
  }

  private mutating func step() {
    let plan = scheduler.nextStep(at: .zero, memory: memory)
    check(plan)
    stepCount += 1
    plans.append(plan)
    admissions += plan.admitted.map { Self.index($0.sequence) }
    preemptions += plan.preempted.map(Self.index)
    guard !plan.slots.isEmpty else { return }
    memory.advance(plan)
    scheduler.complete(plan, seconds: cost(plan))
    for slot in plan.slots {
      let index = Self.index(slot.sequence)
      rows[index] += slot.count
      guard slot.reachesEnd else { continue }
      tokenSteps[index].append(stepCount)
      if tokenSteps[index].count == requests[index].outputCount {
        scheduler.remove(slot.sequence, memory: memory)
      } else {
        scheduler.append(to: slot.sequence)
      }
    }
  }

  private func check(_ plan: StepPlan) {
    #expect(plan.rowCount <= maxStepRows)
    #expect(Set(plan.slots.map(\.sequence)).count == plan.slots.count)
    #expect(plan.slots.allSatisfy { $0.count > 0 })
    #expect(memory.availablePages >= 0)
    #expect(plan.ended.isEmpty)
    #expect(
      !plan.slots.isEmpty || scheduler.isIdle || !plan.preempted.isEmpty,
      "a step without rows while sequences wait")
    #expect(memory.held.count == scheduler.runningCount)
  }
}

@Suite struct SchedulerTests {
  @Test func aPromptRunsInChunksThenTokenByToken() {
    var run = ScriptedRun([.init(promptCount: 70, outputCount: 3)])
    let isOver = run.run()
    #expect(isOver)
    #expect(run.plans.map(\.rowCount) == [32, 32, 6, 1, 1])
    #expect(run.plans.map { $0.slots[0].reachesEnd } == [false, false, true, true, true])
  }

  @Test func requestsJoinAndLeaveBetweenSteps() {
    var run = ScriptedRun([
      .init(promptCount: 8, outputCount: 10), .init(promptCount: 8, outputCount: 2, step: 3),
    ])
    let isOver = run.run()
    #expect(isOver)
    #expect(run.tokenSteps[0] == Array(1...10))
    #expect(run.tokenSteps[1] == [4, 5])
    // Decode rows stand first.
    #expect(run.plans[3].slots.map(\.count) == [1, 8])
  }

  @Test func chunksKeepWithinTheLatencyThatIsLeft() {
    // A step takes 10 ms and 1 ms per row; 50 ms are allowed.
    var run = ScriptedRun(
      [.init(promptCount: 4, outputCount: 60), .init(promptCount: 400, outputCount: 1, step: 8)],
      maxStepRows: 256, maxInterTokenLatency: .milliseconds(50))
    run.cost = { 0.010 + 0.001 * Double($0.rowCount) }
    let isOver = run.run()
    #expect(isOver)
    let mixed = run.plans.filter { $0.slots.count == 2 }
    // It feels its way up from what one row takes, and never beyond 50 ms.
    #expect(mixed.allSatisfy { $0.rowCount <= 40 })
    #expect(mixed.dropFirst(5).dropLast().allSatisfy { $0.rowCount >= 35 })
    #expect(mixed[0].rowCount >= 5, "a prompt always advances")
  }

  @Test func withoutALimitStepsAtMostDoubleTheirTime() {
    var run = ScriptedRun(
      [.init(promptCount: 4, outputCount: 80), .init(promptCount: 600, outputCount: 1, step: 8)],
      maxStepRows: 256)
    run.cost = { 0.010 + 0.001 * Double($0.rowCount) }
    let isOver = run.run()
    #expect(isOver)
    let mixed = run.plans.filter { $0.slots.count == 2 }
    #expect(mixed.allSatisfy { $0.rowCount <= 12 })  // 2 · 11 ms
    #expect(mixed.dropFirst(5).dropLast().allSatisfy { $0.rowCount >= 10 })
  }

  @Test func withinAKeyItIsFirstComeFirstServed() {
    var run = ScriptedRun(
      (0..<30).map { .init(promptCount: 5 + $0 * 7 % 40, outputCount: 4) }, maxSequences: 4)
    let isOver = run.run()
    #expect(isOver)
    #expect(run.admissions == Array(0..<30))
  }

  @Test func aLateKeyDoesNotWaitForThePromptsOfABusyOne() {
    let busy = FairQueue.Key(tenant: "busy")
    var requests = (0..<20).map { _ in
      ScriptedRun.Request(promptCount: 320, outputCount: 2, key: busy)
    }
    requests.append(
      .init(promptCount: 16, outputCount: 2, key: .init(tenant: "late"), step: 5))
    var run = ScriptedRun(requests)
    let isOver = run.run()
    #expect(isOver)
    #expect(run.tokenSteps[20][0] <= 8, "\(run.tokenSteps[20])")
  }

  @Test func prioritiesShareByWeight() {
    let keys = RequestPriority.allCases.map { FairQueue.Key(tenant: "\($0)", priority: $0) }
    let requests = keys.flatMap { key in
      (0..<40).map { _ in ScriptedRun.Request(promptCount: 320, outputCount: 1, key: key) }
    }
    var run = ScriptedRun(requests, maxSequences: 8)
    _ = run.run(limit: 300)
    let rows = (0..<3).map { run.rows[40 * $0..<40 * $0 + 40].reduce(0, +) }
    // 0.25 : 1 : 4
    #expect(abs(Double(rows[1]) / Double(rows[0]) - 4) < 1, "\(rows)")
    #expect(abs(Double(rows[2]) / Double(rows[1]) - 4) < 1, "\(rows)")
  }

  @Test func aPauseSavesNothingUp() {
    let (first, second) = (FairQueue.Key(tenant: "a"), FairQueue.Key(tenant: "b"))
    // b has been quiet for long; now both ask for the same.
    var requests = [ScriptedRun.Request(promptCount: 3_200, outputCount: 1, key: first)]
    requests += (0..<10).flatMap { _ in
      [first, second].map { .init(promptCount: 320, outputCount: 1, key: $0, step: 99) }
    }
    var run = ScriptedRun(requests, maxSequences: 4)
    _ = run.run(limit: 99 + 60)
    let rows = [0, 1].map { offset in
      stride(from: 1 + offset, to: 21, by: 2).reduce(0) { $0 + run.rows[$1] }
    }
    #expect(rows[1] < 2 * rows[0], "\(rows)")
  }

  @Test func theLowestPriorityAndThenTheYoungestGiveWay() {
    // Three sequences of two pages each grow to four; there are nine.
    let keys: [RequestPriority] = [.low, .normal, .normal]
    var run = ScriptedRun(
      keys.map { .init(promptCount: 7, outputCount: 9, key: .init(tenant: "t", priority: $0)) },
      pageCount: 9)
    let isOver = run.run()
    #expect(isOver)
    #expect(run.preemptions.first == 0)
    var same = ScriptedRun(
      (0..<3).map { _ in .init(promptCount: 7, outputCount: 9) }, pageCount: 9)
    let isSameOver = same.run()
    #expect(isSameOver)
    #expect(same.preemptions.first == 2)
    #expect(!same.preemptions.contains(0))
  }

  @Test func aPreemptedSequenceRunsItsTokensAgain() {
    var run = ScriptedRun(
      (0..<3).map { _ in .init(promptCount: 7, outputCount: 9) }, pageCount: 9)
    let isOver = run.run()
    #expect(isOver)
    #expect(run.tokenSteps.allSatisfy { $0.count == 9 })
    #expect(run.rows[0] == 7 + 8)
    #expect(run.rows[2] > 7 + 8)
  }

  /// The second one fills its pages, needs another, and is alone when it may run again.
  @Test func aPreemptedSequenceThatFindsAllItsTokensGoesOn() {
    var run = ScriptedRun(
      [.init(promptCount: 3, outputCount: 6), .init(promptCount: 12, outputCount: 9)],
      pageCount: 6)
    run.memory.keepsReleased = true
    let isOver = run.run()
    #expect(isOver)
    #expect(run.preemptions == [1])
    #expect(run.rows == [3 + 5, 12 + 8])
  }

  @Test func choicesWaitForThePromptOfTheFirst() {
    var run = ScriptedRun([
      .init(promptCount: 70, outputCount: 2), .init(promptCount: 70, outputCount: 2, leader: 0),
      .init(promptCount: 3, outputCount: 1, key: .init(tenant: "other")),
    ])
    run.memory.cached[ScriptedRun.id(1)] = 68
    let isOver = run.run()
    #expect(isOver)
    #expect(run.rows[1] == 2 + 1)
    #expect(run.tokenSteps[1][0] > run.tokenSteps[0][0])
    #expect(run.tokenSteps[2][0] <= 2, "others do not wait")
  }

  @Test func cachedTokensAreNotRun() {
    var run = ScriptedRun([.init(promptCount: 30, outputCount: 1)])
    run.memory.cached[ScriptedRun.id(0)] = 28
    let isOver = run.run()
    #expect(isOver)
    #expect(run.rows == [2])
    #expect(run.plans[0].admitted[0].cachedTokens == 28)
  }

  @Test(arguments: 0..<200)
  func everySequenceEndsWhateverTheMemory(seed: Int) {
    var random = RandomGenerator(seed: UInt64(seed))
    let pageCount = Int.random(in: 12...40, using: &random)
    let requests = (0..<Int.random(in: 1...40, using: &random)).map { index in
      // The longest fits alone: 12 pages are 48 tokens.
      let prompt = Int.random(in: 1...36, using: &random)
      return ScriptedRun.Request(
        promptCount: prompt, outputCount: Int.random(in: 1...(48 - prompt), using: &random),
        key: FairQueue.Key(
          tenant: ["a", "b", nil].randomElement(using: &random) ?? nil,
          priority: RequestPriority.allCases.randomElement(using: &random) ?? .normal),
        step: Int.random(in: 0...30, using: &random),
        leader: nil)
    }
    var run = ScriptedRun(
      requests, pageCount: pageCount, maxStepRows: Int.random(in: 8...64, using: &random),
      maxSequences: Int.random(in: 1...8, using: &random))
    run.memory.keepsReleased = Bool.random(using: &random)
    for index in requests.indices where Bool.random(using: &random) {
      run.memory.cached[ScriptedRun.id(index)] = (requests[index].promptCount - 1) / 4 * 4
    }
    let isOver = run.run()
    #expect(isOver, "seed \(seed): not over after \(run.stepCount) steps")
    #expect(zip(run.tokenSteps, requests).allSatisfy { $0.count == $1.outputCount })
    #expect(run.memory.held.isEmpty)
  }
}

@Suite struct SchedulerFailureTests {
  let memory = CountedMemory(pageCount: 100)

  private func scheduler(_ count: Int, prompt: Int = 3) -> Scheduler {
    var scheduler = Scheduler(Scheduler.Limits(maxStepRows: 32, maxSequences: 8))
    for index in 0..<count {
      scheduler.submit(
        ScriptedRun.id(index), promptCount: prompt, key: FairQueue.Key(tenant: nil))
    }
    return scheduler
  }

  private func complete(_ plan: StepPlan, _ scheduler: inout Scheduler) {
    memory.advance(plan)
    scheduler.complete(plan, seconds: 0.001)
    for slot in plan.slots where slot.reachesEnd { scheduler.append(to: slot.sequence) }
  }

  @Test func eachSequenceOfAFailedStepIsTriedAlone() {
    var scheduler = scheduler(3)
    let failed = scheduler.nextStep(at: .zero, memory: memory)
    #expect(failed.slots.count == 3)
    let endedByFirst = scheduler.fail(failed)
    #expect(endedByFirst.isEmpty)
    let first = scheduler.nextStep(at: .zero, memory: memory)
    #expect(first.slots.map(\.sequence) == [ScriptedRun.id(0)])
    complete(first, &scheduler)
    // The second is the one that cannot be run.
    let second = scheduler.nextStep(at: .zero, memory: memory)
    #expect(second.slots.map(\.sequence) == [ScriptedRun.id(1)])
    let endedBySecond = scheduler.fail(second)
    #expect(endedBySecond == [ScriptedRun.id(1)])
    scheduler.remove(ScriptedRun.id(1), memory: memory)
    let third = scheduler.nextStep(at: .zero, memory: memory)
    #expect(third.slots.map(\.sequence) == [ScriptedRun.id(2)])
    complete(third, &scheduler)
    let last = scheduler.nextStep(at: .zero, memory: memory)
    #expect(last.slots.count == 2)
  }

  @Test func whenTwoFailAloneAllEnd() {
    var scheduler = scheduler(4)
    let firstEnded = scheduler.fail(scheduler.nextStep(at: .zero, memory: memory))
    #expect(firstEnded.isEmpty)
    let first = scheduler.nextStep(at: .zero, memory: memory)
    let endedByOne = scheduler.fail(first)
    #expect(endedByOne == [ScriptedRun.id(0)])
    scheduler.remove(ScriptedRun.id(0), memory: memory)
    let second = scheduler.nextStep(at: .zero, memory: memory)
    let ended = scheduler.fail(second)
    #expect(ended == (1...3).map(ScriptedRun.id))
    for id in ended { scheduler.remove(id, memory: memory) }
    #expect(scheduler.isIdle && memory.held.isEmpty)
  }

  @Test func aSequenceAloneEndsAtItsFirstFailure() {
    var scheduler = scheduler(1)
    let ended = scheduler.fail(scheduler.nextStep(at: .zero, memory: memory))
    #expect(ended == [ScriptedRun.id(0)])
  }

  @Test func whatIsLateEnds() {
    var scheduler = Scheduler(Scheduler.Limits(maxStepRows: 32, maxSequences: 1))
    for (index, seconds) in [9, 3, 5].enumerated() {
      scheduler.submit(
        ScriptedRun.id(index), promptCount: 40, key: FairQueue.Key(tenant: nil),
        deadline: (.seconds(seconds), .seconds(seconds)))
    }
    let early = scheduler.nextStep(at: .seconds(2), memory: memory)
    #expect(early.ended.isEmpty)
    let plan = scheduler.nextStep(at: .seconds(5), memory: memory)
    #expect(plan.ended.map(\.sequence) == [1, 2].map(ScriptedRun.id))
    #expect(plan.ended.map(\.error) == [3, 5].map { .deadlineExceeded(.seconds($0)) })
    let last = scheduler.nextStep(at: .seconds(10), memory: memory)
    #expect(last.ended.map(\.sequence) == [ScriptedRun.id(0)])
    #expect(scheduler.isIdle && memory.held.isEmpty)
  }

  @Test func removingFreesEverything() {
    var scheduler = scheduler(12)
    _ = scheduler.nextStep(at: .zero, memory: memory)
    for index in 0..<12 { scheduler.remove(ScriptedRun.id(index), memory: memory) }
    #expect(scheduler.isIdle && scheduler.waitingCount == 0 && scheduler.runningCount == 0)
    #expect(memory.held.isEmpty)
  }
}

@Suite struct StepCostTests {
  @Test func nothingIsKnownAtFirst() {
    #expect(StepCost().seconds(rows: 3) == nil)
    #expect(StepCost().rowsThatFit(beside: 1, within: 1, most: 10) == nil)
  }

  @Test func itIsLinearBetweenAndInProportionBeyond() throws {
    var cost = StepCost()
    cost.record(rows: 1, seconds: 0.010)
    cost.record(rows: 11, seconds: 0.020)
    let times = try [6, 22].map { try #require(cost.seconds(rows: $0)) }
    #expect(abs(times[0] - 0.015) < 1e-9 && abs(times[1] - 0.040) < 1e-9)
    #expect(cost.rowsThatFit(beside: 1, within: 0.015, most: 100) == 5)
    #expect(cost.rowsThatFit(beside: 1, within: 0.015, most: 3) == 3)
    #expect(cost.rowsThatFit(beside: 1, within: 0.001, most: 100) == 0)
  }

  @Test func moreRowsNeverTakeLessTime() throws {
    var cost = StepCost()
    cost.record(rows: 4, seconds: 0.050)
    cost.record(rows: 64, seconds: 0.010)
    let times = try (1...200).map { try #require(cost.seconds(rows: $0)) }
    #expect(zip(times, times.dropFirst()).allSatisfy { $0 <= $1 })
  }

  @Test func aStallIsForgotten() throws {
    var cost = StepCost()
    for _ in 0..<10 { cost.record(rows: 8, seconds: 0.010) }
    cost.record(rows: 8, seconds: 30)
    let stalled = try #require(cost.seconds(rows: 8))
    #expect(stalled < 0.020)
    for _ in 0..<20 { cost.record(rows: 8, seconds: 0.010) }
    let later = try #require(cost.seconds(rows: 8))
    #expect(abs(later - 0.010) < 0.0005)
  }

  /// One key fills every slot with long answers; others do not wait for the end of one of them.
  @Test(arguments: [10_000, 120])
  func aKeyThatComesLaterGetsItsShareOfSlots(pageCount: Int) {
    let alice = FairQueue.Key(tenant: "alice")
    let bob = FairQueue.Key(tenant: "bob")
    var run = ScriptedRun(
      (0..<6).map { _ in .init(promptCount: 8, outputCount: 100, key: alice) }
        + (0..<3).map { _ in .init(promptCount: 8, outputCount: 20, key: bob, step: 20) },
      pageCount: pageCount, maxSequences: 4)
    run.memory.keepsReleased = true
    let isOver = run.run()
    #expect(isOver)
    #expect(run.tokenSteps.map(\.count) == Array(repeating: 100, count: 6) + [20, 20, 20])
    // Two of four slots are bob's within a few steps, the third request follows the first.
    #expect(run.tokenSteps[6].first ?? .max <= 26 && run.tokenSteps[7].first ?? .max <= 26)
    #expect(run.tokenSteps[8].last ?? .max <= 90)
    #expect(run.preemptions.allSatisfy { $0 < 6 })
  }

  @Test func requestsOfOneKeyTakeNoSlotsFromEachOther() {
    var run = ScriptedRun(
      (0..<24).map { .init(promptCount: 8, outputCount: 10 + $0 % 5, step: $0) }, maxSequences: 4)
    let isOver = run.run()
    #expect(isOver)
    #expect(run.preemptions.isEmpty)
  }
}
