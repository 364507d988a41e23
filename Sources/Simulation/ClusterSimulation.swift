internal import Inference
public import Planning

/// A cluster on a virtual clock: the engine's scheduler, the coordinator's membership and dispatch, the
/// planner's costs, and users, links and faults from one seed.
///
/// Events happen between steps, as in the engine: requests that came meanwhile are taken in, a step
/// is composed, its time passes, its tokens are handed out.
public struct ClusterSimulation {
  /// How the engine shares its model, as `serve` has it.
  public struct Limits: Sendable {
    /// Sequences that run at a time.
    public var maxSequences = 64
    /// Tokens in a step.
    public var maxStepRows = 512
    /// How long a step with decode rows may take; nil: twice as long as without prompts.
    public var maxInterTokenLatency: Duration?
    /// Tokens for which there are pages.
    public var cachedTokenCount = 65_536

    /// The defaults above.
    public init() {}
  }

  private struct Running {
    let request: Workload.Request
    var answered = 0
    var firstTokenAt: Double?
    var lastTokenAt = 0.0
  }

  private var machines: SimulatedMachines
  private var arrivals: ArraySlice<Workload.Request>
  private var running: [SequenceID: Running] = [:]
  private var scheduler: Scheduler
  private let memory: CountedMemory
  private var random: SeededRandom
  private var now = 0.0
  private var lastNumber: UInt64 = 0
  private var report = SimulationReport()
  private var firstTokens: [Double] = []
  private var gaps: [Double] = []
  private var whole: [Double] = []

  /// Prepares a run; equal arguments give equal reports.
  ///
  /// - Parameters:
  ///   - planner: The model and what is known of its routing.
  ///   - cluster: The machines.
  ///   - workload: What users ask.
  ///   - faults: What goes wrong.
  ///   - limits: How the engine shares its model.
  ///   - seed: Decides arrivals, lengths, experts and late replies.
  /// - Throws: `PlanRefusal` when the model does not fit.
  public init(
    _ planner: Planner, on cluster: ClusterDescription, _ workload: Workload,
    faults: Faults = Faults(), limits: Limits = Limits(), seed: UInt64
  ) throws(PlanRefusal) {
    machines = try SimulatedMachines(planner, cluster, faults, seed: seed)
    arrivals = workload.requests(seed: seed)[...]
    random = SeededRandom(seed: seed ^ 0x5eed)
    let sequences = max(1, min(limits.maxSequences, limits.maxStepRows))
    scheduler = Scheduler(
      Scheduler.Limits(
        maxStepRows: limits.maxStepRows, maxSequences: sequences,
        maxInterTokenLatency: limits.maxInterTokenLatency))
    memory = CountedMemory(tokenCount: limits.cachedTokenCount)
  }

  /// Runs until every request has its answer.
  ///
  /// - Returns: How it went.
  public mutating func run() -> SimulationReport {
    while !arrivals.isEmpty || !scheduler.isIdle {
      if scheduler.isIdle, let next = arrivals.first { now = max(now, next.time) }
      takeArrivals()
      step()
    }
    finish()
    return report
  }

  private mutating func takeArrivals() {
    while let next = arrivals.first, next.time <= now {
      arrivals.removeFirst()
      lastNumber += 1
      let id = SequenceID(number: lastNumber)
      running[id] = Running(request: next)
      scheduler.submit(id, promptCount: next.promptCount, key: FairQueue.Key(tenant: nil))
    }
    report.longestQueue = max(report.longestQueue, scheduler.waitingCount)
  }

  /// Nobody can be answered any more.
  private mutating func failAll() {
    report.failedCount += running.count + arrivals.count
    for id in running.keys.sorted() { scheduler.remove(id, memory: memory) }
    running.removeAll()
    arrivals.removeAll()
  }

  private mutating func step() {
    let plan = scheduler.nextStep(at: .seconds(now), memory: memory)
    report.preemptionCount += plan.preempted.count
    for (id, _) in plan.ended {
      running[id] = nil
      report.failedCount += 1
    }
    guard !plan.slots.isEmpty else { return }
    let (seconds, isWhole) = machines.run(shape(of: plan), at: now, random: &random)
    now += seconds
    report.busySeconds += seconds
    guard isWhole else { return failAll() }
    report.stepCount += 1
    scheduler.complete(plan, seconds: seconds)
    for slot in plan.slots { memory.run(slot.sequence, count: slot.count) }
    for slot in plan.slots where slot.reachesEnd { handOut(slot.sequence) }
  }

  private mutating func shape(of plan: StepPlan) -> StepShape {
    var shape = StepShape(
      rowCount: 0, logitRowCount: 0, attendedPositionCount: 0, cachedPositionCount: 0)
    for slot in plan.slots {
      let start = memory.length(of: slot.sequence)
      shape = shape + .prefill(slot.count, after: start, isLast: slot.reachesEnd)
      let prompt = running[slot.sequence]?.request.promptCount ?? 0
      report.tokenCounts.prompt += max(0, min(slot.count, prompt - start))
    }
    return shape
  }

  private mutating func handOut(_ id: SequenceID) {
    guard var sequence = running[id] else { return }
    if sequence.firstTokenAt == nil {
      sequence.firstTokenAt = now
      firstTokens.append(now - sequence.request.time)
    } else {
      gaps.append(now - sequence.lastTokenAt)
    }
    sequence.lastTokenAt = now
    sequence.answered += 1
    report.tokenCounts.answer += 1
    if sequence.answered == sequence.request.answerCount {
      whole.append(now - sequence.request.time)
      scheduler.remove(id, memory: memory)
      running[id] = nil
      report.answeredCount += 1
    } else {
      scheduler.append(to: id)
      running[id] = sequence
    }
  }

  private mutating func finish() {
    report.seconds = now
    report.timeToFirstToken = .init(firstTokens)
    report.interTokenLatency = .init(gaps)
    report.requestTime = .init(whole)
    report.workers = machines.workers(after: now)
    report.messageCounts = machines.messageCounts
  }
}
