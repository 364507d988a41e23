import Telemetry
import Tensors
import Tokenization

/// The engine's thread: takes requests in, runs steps, hands tokens out.
final class EngineLoop<Model: LanguageModel> {
  typealias Active = ActiveSequence<Model.Cache>

  private let model: Model
  private let tokenizer: Tokenizer
  private let options: EngineOptions
  private let limits: RequestLimits
  private let inbox: EngineInbox
  private let meter: EngineMeter

  private let memory: PagedMemory<Model.Pool>
  private var scheduler: Scheduler
  private let sampler: BatchSampler
  private let sampleable: SampleableTokens
  private var batch = TokenBatch<Model.Cache>()
  /// Requests that are over; they hear of it when the figures know, too.
  private var endings: [(submission: Submission, outcome: Submission.Outcome)] = []
  private var wanting: [Active] = []  // those with a row of logits, in the order of the rows
  private var logits: FloatMatrix  // (sequences, vocabulary)

  init(
    _ model: Model, pool: Model.Pool, tokenizer: Tokenizer, options: EngineOptions,
    limits: RequestLimits, inbox: EngineInbox, meter: EngineMeter
  ) {
    self.model = model
    self.tokenizer = tokenizer
    self.options = options
    self.limits = limits
    self.inbox = inbox
    self.meter = meter
    memory = PagedMemory(pool, keepsPrefixes: options.usesPrefixCache)
    let sequences = max(1, min(options.maxSequences, model.maxStepRows))
    scheduler = Scheduler(
      Scheduler.Limits(
        maxStepRows: model.maxStepRows, maxSequences: sequences,
        maxInterTokenLatency: options.maxInterTokenLatency))
    sampler = BatchSampler(
      vocabularySize: model.vocabularySize, team: model.team, most: sequences)
    sampleable = SampleableTokens(vocabularySize: model.vocabularySize) { id in
      id >= tokenizer.vocabularySize || tokenizer.isUnused(TokenID(truncatingIfNeeded: id))
    }
    logits = FloatMatrix(rows: sequences, columns: model.vocabularySize)
    meter.update { status in
      status.pageSize = Model.Pool.pageTokens
      status.pageCount = pool.pageCount
    }
  }

  /// Returns when the inbox is closed and what was accepted is done.
  func run() {
    while true {
      let mail = inbox.take(waiting: scheduler.isIdle)
      let start = MonotonicTime.now
      for submission in mail.submissions { accept(submission) }
      for id in mail.cancelled { cancel(id) }
      if mail.isCancelling { interruptAll() }
      let isIdle = scheduler.isIdle
      if isIdle { updateFigures() } else { step(from: start) }
      for (submission, outcome) in endings { submission.end(outcome) }
      endings.removeAll(keepingCapacity: true)
      if isIdle && mail.isClosed { return }
    }
  }
}

// MARK: - Requests

extension EngineLoop {
  private func accept(_ submission: Submission) {
    guard !submission.hasEnded else { return }
    let request = submission.request
    do {
      let state = try SequenceState(
        request, maxTokens: limits.maxTokens(for: request), tokenizer: tokenizer,
        tokens: sampleable, constraintWork: options.constraintWorkPerToken)
      memory.sequences[submission.id] = Active(
        id: submission.id, submission: submission, state: state)
      scheduler.submit(
        submission.id, promptCount: request.prompt.count,
        key: FairQueue.Key(tenant: request.tenant, priority: request.priority),
        deadline: request.deadline.map { (submission.time + $0, $0) }, leader: submission.leader)
    } catch {
      fail(submission, error)
    }
  }

  private func cancel(_ id: SequenceID) {
    guard let sequence = memory.sequences[id] else { return }
    sequence.state.finish(.cancelled) { sequence.submission.emit($0) }
    end(sequence, at: MonotonicTime.now)
  }

  /// What runs ends as cancelled; what waits is refused.
  private func interruptAll() {
    for (_, sequence) in memory.sequences.sorted(by: { $0.key < $1.key }) {
      guard sequence.startTime != nil else {
        forget(sequence)
        endings.append((sequence.submission, .interrupted(nil)))
        continue
      }
      sequence.state.finish(.cancelled) { sequence.submission.emit($0) }
      let summary = sequence.summary(at: MonotonicTime.now)
      forget(sequence)
      endings.append((sequence.submission, .interrupted(summary)))
    }
  }

  /// Ends a sequence that has a reason to.
  private func end(_ sequence: Active, at time: Duration) {
    forget(sequence)
    let summary = sequence.summary(at: time)
    endings.append((sequence.submission, .finished(summary)))
    meter.update { status in
      if summary.finishReason == .cancelled {
        status.cancelledCount += 1
      } else {
        status.finishedCount += 1
      }
    }
  }

  private func end(_ id: SequenceID, _ error: InferenceError) {
    guard let sequence = memory.sequences[id] else { return }
    forget(sequence)
    fail(sequence.submission, error)
  }

  private func fail(_ submission: Submission, _ error: InferenceError) {
    endings.append((submission, .failed(error)))
    meter.update { $0.failedCount += 1 }
  }

  private func forget(_ sequence: Active) {
    scheduler.remove(sequence.id, memory: memory)
    memory.sequences[sequence.id] = nil
  }
}

// MARK: - Steps

extension EngineLoop {
  private func step(from start: Duration) {
    let plan = scheduler.nextStep(at: start, memory: memory)
    for (id, error) in plan.ended { end(id, error) }
    for id in plan.preempted { memory.sequences[id]?.preemptionCount += 1 }
    for (id, cached) in plan.admitted { begin(id, cached: cached, at: start) }
    if !plan.preempted.isEmpty { meter.update { $0.preemptionCount += plan.preempted.count } }
    fillBatch(plan)
    defer { batch.removeAll() }
    guard !batch.parts.isEmpty else { return updateFigures() }
    let composed = MonotonicTime.now
    do {
      try model.forward(batch, logits: &logits)
    } catch {
      fail(plan, .stepFailed("\(error)"))
      return updateFigures()
    }
    let ran = MonotonicTime.now
    scheduler.complete(plan, seconds: (ran - composed) / .seconds(1))
    for slot in plan.slots {
      if let sequence = memory.sequences[slot.sequence] { memory.publish(sequence) }
    }
    sampler.choose(wanting, from: logits)
    let sampled = MonotonicTime.now
    let tokenCount = handOut(at: sampled)
    let end = MonotonicTime.now
    meter.count(tokens: tokenCount, at: end)
    updateFigures { status in
      status.phases.scheduling += composed - start
      status.phases.forward += ran - composed
      status.phases.sampling += sampled - ran
      status.phases.events += end - sampled
      status.stepTime.record(end - start)
    }
  }

  private func begin(_ id: SequenceID, cached: Int, at time: Duration) {
    guard let sequence = memory.sequences[id], sequence.cachedPromptTokens == nil else { return }
    sequence.startTime = time
    sequence.cachedPromptTokens = cached
    meter.update { status in
      status.promptTokens += sequence.state.promptCount
      status.cachedPromptTokens += cached
    }
    // If it was cancelled just now, that is in the mail.
    sequence.submission.start()
  }

  private func fillBatch(_ plan: StepPlan) {
    wanting.removeAll(keepingCapacity: true)
    for slot in plan.slots {
      guard let sequence = memory.sequences[slot.sequence], let cache = sequence.cache else {
        continue
      }
      let start = cache.length
      let tokens = sequence.state.tokens
      batch.append(
        tokens.span.extracting(start..<start + slot.count), to: cache,
        wanted: slot.reachesEnd ? .last : .none)
      if slot.reachesEnd { wanting.append(sequence) }
    }
  }

  private func fail(_ plan: StepPlan, _ error: InferenceError) {
    batch.removeAll()
    meter.update { $0.failedStepCount += 1 }
    for id in scheduler.fail(plan) { end(id, error) }
  }

  /// Turns the chosen tokens into events.
  ///
  /// - Returns: How many tokens there were.
  private func handOut(at time: Duration) -> Int {
    var tokenCount = 0
    for sequence in wanting {
      switch sequence.choice {
      case .success(let choice):
        let before = sequence.state.outputCount
        sequence.state.take(choice) { sequence.submission.emit($0) }
        let isToken = sequence.state.outputCount > before
        if isToken { tokenCount += 1 }
        measure(sequence, at: time, isToken: isToken)
        if sequence.state.finishReason != nil {
          end(sequence, at: time)
        } else {
          scheduler.append(to: sequence.id)
        }
      case .failure(let error): end(sequence.id, error)
      case nil: break
      }
      sequence.choice = nil
    }
    wanting.removeAll(keepingCapacity: true)
    return tokenCount
  }

  private func measure(_ sequence: Active, at time: Duration, isToken: Bool) {
    if sequence.firstTokenTime == nil {
      sequence.firstTokenTime = time
      meter.update { $0.timeToFirstToken.record(time - sequence.submission.time) }
    }
    guard isToken else { return }
    if let last = sequence.lastTokenTime {
      meter.update { $0.interTokenLatency.record(time - last) }
    }
    sequence.lastTokenTime = time
  }

  private func updateFigures(_ change: (inout EngineStatus) -> Void = { _ in }) {
    let available = memory.availablePages
    let idle = memory.idlePrefixPages
    meter.update { status in
      status.runningCount = scheduler.runningCount
      status.waitingCount = scheduler.waitingCount
      status.usedPageCount = status.pageCount - available
      status.idlePrefixPageCount = idle
      change(&status)
    }
  }
}
