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
  private var wanting: [Active] = []  // those with rows of logits, in the order of the rows
  private var events: [GenerationEvent] = []  // of one sequence and step
  private var logits: FloatMatrix  // (sequences, or one and its drafts; vocabulary)

  init(
    _ model: Model, pool: Model.Pool, tokenizer: Tokenizer, options: EngineOptions,
    limits: RequestLimits, inbox: EngineInbox, meter: EngineMeter
  ) throws(InferenceError) {
    self.model = model
    self.tokenizer = tokenizer
    self.options = options
    self.limits = limits
    self.inbox = inbox
    self.meter = meter
    memory = PagedMemory(
      pool, keepsPrefixes: options.usesPrefixCache,
      store: try Self.store(options, pageByteCount: pool.bytesPerPage))
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
    logits = FloatMatrix(
      rows: max(sequences, min(1 + options.speculation.draftLimit, model.maxStepRows)),
      columns: model.vocabularySize)
    meter.update { status in
      status.pageSize = Model.Pool.pageTokens
      status.pageCount = pool.pageCount
    }
  }

  private static func store(
    _ options: EngineOptions, pageByteCount: Int
  ) throws(InferenceError) -> PrefixStore? {
    guard options.usesPrefixCache, let store = options.prefixStore else { return nil }
    return try PrefixStore(
      folder: store.folder, byteCount: store.byteCount, pageByteCount: pageByteCount,
      onFailure: store.onFailure)
  }

  /// Returns when the inbox is closed and what was accepted is done.
  func run() {
    while true {
      if scheduler.isIdle { options.heartbeat?.rest() }
      let mail = inbox.take(waiting: scheduler.isIdle)
      options.heartbeat?.beat()
      let start = MonotonicTime.now
      for submission in mail.submissions { accept(submission) }
      for id in mail.cancelled { cancel(id) }
      if mail.isCancelling { interruptAll() }
      let isIdle = scheduler.isIdle
      if isIdle { updateFigures() } else { step(from: start) }
      for (submission, outcome) in endings { submission.end(outcome) }
      endings.removeAll(keepingCapacity: true)
      if isIdle && mail.isClosed { return options.heartbeat?.rest() ?? () }
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
    sequence.state.finish(.cancelled) { sequence.submission.emit([$0]) }
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
      sequence.state.finish(.cancelled) { sequence.submission.emit([$0]) }
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
    let draftCount = draft(for: plan)
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
    scheduler.complete(plan, drafts: draftCount, seconds: (ran - composed) / .seconds(1))
    for slot in plan.slots where !slot.reachesEnd {
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
    var wantedCount = 0
    for slot in plan.slots {
      guard let sequence = memory.sequences[slot.sequence], let cache = sequence.cache else {
        continue
      }
      let start = cache.length
      let tokens = sequence.state.tokens
      if let draft = sequence.draft {
        let rows = tokens[start..<start + slot.count] + draft.tokens
        batch.append(rows.span, to: cache, wanted: .all)
      } else {
        batch.append(
          tokens.span.extracting(start..<start + slot.count), to: cache,
          wanted: slot.reachesEnd ? .last : .none)
      }
      guard slot.reachesEnd else { continue }
      sequence.firstRow = wantedCount
      wantedCount += 1 + (sequence.draft?.tokens.count ?? 0)
      wanting.append(sequence)
    }
  }

  /// Gives drafts to sequences that are past their prompt, as far as they pay and there is room.
  ///
  /// - Returns: How many rows more the step has.
  private func draft(for plan: StepPlan) -> Int {
    guard options.speculation != .off else { return 0 }
    let ends = plan.slots.count { $0.reachesEnd }
    var room = min(model.maxStepRows - plan.rowCount, logits.rows - ends)
    var budget = DraftBudget(
      options.speculation, cost: scheduler.cost, rows: plan.rowCount, tokens: ends,
      limit: options.maxInterTokenLatency.map { $0 / .seconds(1) })
    var total = 0
    for slot in plan.slots where slot.count == 1 && slot.reachesEnd && room > 0 {
      guard let sequence = memory.sequences[slot.sequence],
        let draft = sequence.state.draft(most: min(room, options.speculation.draftLimit))
      else { continue }
      let count = verified(draft, of: sequence, budget: &budget)
      room -= count
      total += count
    }
    return total
  }

  /// How many of the drafts the step takes.
  private func verified(
    _ draft: PromptLookup, of sequence: Active, budget: inout DraftBudget
  ) -> Int {
    var draft = draft
    let chance = sequence.acceptance.chance(draft)
    let count = budget.worth(draft.tokens.count, chance: chance)
    guard count > 0 else {
      sequence.acceptance.skip(draft)
      return 0
    }
    draft.shorten(to: memory.reserve(sequence.id, upTo: 1 + count) - 1)
    guard !draft.tokens.isEmpty else { return 0 }
    budget.add(draft.tokens.count, chance: chance)
    sequence.draft = draft
    return draft.tokens.count
  }

  private func fail(_ plan: StepPlan, _ error: InferenceError) {
    batch.removeAll()
    for sequence in wanting { sequence.draft = nil }
    meter.update { $0.failedStepCount += 1 }
    for id in scheduler.fail(plan) { end(id, error) }
  }

  /// Turns the chosen tokens into events.
  ///
  /// - Returns: How many tokens there were.
  private func handOut(at time: Duration) -> Int {
    var tokenCount = 0
    for sequence in wanting {
      guard let choices = sequence.choices else { continue }
      let known = sequence.state.tokens.count
      var failure: InferenceError?
      do throws(InferenceError) {
        try sequence.state.take(choices) {
          events.append($0)
        } onToken: {
          tokenCount += 1
          measure(sequence, at: time)
        }
      } catch { failure = error }
      sequence.submission.emit(events)
      events.removeAll(keepingCapacity: true)
      if sequence.firstTokenTime == nil, !choices.tokens.isEmpty {
        measureFirst(sequence, at: time)
      }
      settle(sequence, choices, known: known)
      if let failure {
        end(sequence.id, failure)
      } else if sequence.state.finishReason != nil {
        end(sequence, at: time)
      } else {
        scheduler.append(choices.tokens.count, to: sequence.id)
      }
    }
    wanting.removeAll(keepingCapacity: true)
    return tokenCount
  }

  /// Forgets the keys and values of drafts that were wrong, before anybody is offered their pages.
  ///
  /// `known` is how many tokens there were before the step.
  private func settle(_ sequence: Active, _ choices: SequenceState.Choices, known: Int) {
    if let draft = sequence.draft {
      let stored = min(known + choices.acceptedCount, sequence.state.tokens.count)
      sequence.cache?.truncate(to: stored)
      sequence.acceptance.record(draft, accepted: choices.acceptedCount)
      sequence.draftedCount += draft.tokens.count
      sequence.acceptedCount += choices.acceptedCount
      meter.update { status in
        status.draftedTokens += draft.tokens.count
        status.acceptedTokens += choices.acceptedCount
      }
    }
    memory.publish(sequence)
    sequence.draft = nil
    sequence.choices = nil
  }

  private func measureFirst(_ sequence: Active, at time: Duration) {
    sequence.firstTokenTime = time
    meter.update { $0.timeToFirstToken.record(time - sequence.submission.time) }
  }

  private func measure(_ sequence: Active, at time: Duration) {
    if sequence.firstTokenTime == nil { measureFirst(sequence, at: time) }
    if let last = sequence.lastTokenTime {
      meter.update { $0.interTokenLatency.record(time - last) }
    }
    sequence.lastTokenTime = time
  }

  private func updateFigures(_ change: (inout EngineStatus) -> Void = { _ in }) {
    let available = memory.availablePages
    let idle = memory.idlePrefixPages
    let (stored, loaded) = (memory.storedPrefixPages, memory.loadedPrefixPages)
    meter.update { status in
      status.runningCount = scheduler.runningCount
      status.waitingCount = scheduler.waitingCount
      status.usedPageCount = status.pageCount - available
      status.idlePrefixPageCount = idle
      status.storedPrefixPageCount = stored
      status.loadedPrefixPageCount = loaded
      change(&status)
    }
  }
}
