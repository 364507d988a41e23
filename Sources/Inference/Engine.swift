import Foundation
import Kernels
import Synchronization
import Telemetry
public import Tokenization

/// Runs the requests of many clients on one model, all of them a step at a time.
///
/// The engine has a thread of its own, because a step computes and waits for remote experts.
/// Submitting never waits for it, and it never waits for a client: a stream holds at most the events
/// of `maxTokens` tokens. Requests join and leave between steps. What a request is answered does not
/// depend on the others: with its seed it is a function of the model and of itself.
public final class Engine: Sendable {
  /// The most tokens that a prompt and its answer may have together.
  public let contextLength: Int
  private let limits: RequestLimits
  private let inbox: EngineInbox
  private let meter = EngineMeter()
  private let registry: RequestRegistry
  private let journal: RequestJournal?

  /// Starts the thread.
  ///
  /// - Parameters:
  ///   - model: A loaded model, used by nobody else from now on; it moves to the engine's thread.
  ///   - tokenizer: The model's own.
  ///   - options: How the model is shared.
  /// - Throws: When the model cannot make a cache of that size.
  public init<Model: LanguageModel>(
    _ model: sending Model, tokenizer: Tokenizer, options: EngineOptions = EngineOptions()
  ) throws {
    contextLength = min(options.contextLength ?? model.contextLength, model.contextLength)
    let pool = try model.makePool(
      pageCount: Self.pageCount(
        options, pageTokens: Model.Pool.pageTokens, bytesPerPage: model.bytesPerPage,
        contextLength: contextLength))
    limits = RequestLimits(
      contextLength: contextLength, vocabularySize: model.vocabularySize,
      cacheCapacity: pool.pageCount * Model.Pool.pageTokens)
    let inbox = EngineInbox(limit: options.queueLimit, heartbeat: options.heartbeat)
    self.inbox = inbox
    registry = RequestRegistry(
      limit: options.rememberedRequestLimit, duration: options.rememberedDuration)
    journal = options.journal
    let loop = try EngineLoop(
      model, pool: pool, tokenizer: tokenizer, options: options, limits: limits, inbox: inbox,
      meter: meter)
    let handover = Mutex<EngineLoop<Model>?>(loop)
    let thread = Thread {
      ThreadTeam.nameThisThread("engine")
      handover.withLock({ $0.take() })?.run()
      inbox.finish()
    }
    thread.stackSize = 8 << 20
    thread.start()
  }

  /// Starts the thread with the model of a generator, which moves to it, and default options.
  ///
  /// - Parameters:
  ///   - generator: Whose model, tokenizer and context length are used.
  ///   - queueLimit: How many requests may wait.
  /// - Throws: When the model cannot make a cache of that size.
  public convenience init<Model: LanguageModel>(
    _ generator: sending TextGenerator<Model>, queueLimit: Int = 256
  ) throws {
    var options = EngineOptions()
    options.contextLength = generator.contextLength
    options.queueLimit = queueLimit
    options.usesPrefixCache = generator.reusesPrefix
    let tokenizer = generator.tokenizer
    try self.init(generator.model, tokenizer: tokenizer, options: options)
  }

  private static func pageCount(
    _ options: EngineOptions, pageTokens: Int, bytesPerPage: Int, contextLength: Int
  ) -> Int {
    if let memory = options.cacheMemory { return max(1, memory / max(bytesPerPage, 1)) }
    return 4 * ((contextLength - 1) / pageTokens + 1)
  }

  /// Requests that wait for their first step.
  public var waitingCount: Int { inbox.waitingCount }

  /// What the engine is doing and has done; cheap, from any thread.
  public var status: EngineStatus {
    var status = meter.status
    // Those that the engine's thread has not looked at yet wait as well.
    status.waitingCount = max(status.waitingCount, inbox.waitingCount)
    return status
  }

  /// Takes no more requests and ends the thread.
  ///
  /// - Parameter cancelling: Whether requests under way end before their next step; otherwise all
  ///   accepted ones are completed first.
  public func shutdown(cancelling: Bool) {
    inbox.close(cancelling: cancelling)
  }

  /// Returns when the thread has ended after `shutdown`.
  public func waitUntilStopped() async {
    await inbox.waitUntilFinished()
    await journal?.flush()
  }

  deinit { inbox.close(cancelling: false) }
}

// MARK: - Requests

extension Engine {
  /// Queues a request.
  ///
  /// - Throws: `InferenceError` when the request cannot be run, the queue is full, or its id is taken.
  public func submit(_ request: GenerationRequest) throws(InferenceError) -> Generation {
    let generations = try submit(request, choices: 1)
    return generations[0]
  }

  /// Queues a request for several answers, which share the keys and values of the prompt.
  ///
  /// The first answer is that of `submit(_:)`; the seeds of the others follow from its seed.
  /// - Parameters:
  ///   - request: What to answer.
  ///   - choices: How many answers, 1…128.
  /// - Returns: One generation per answer.
  /// - Throws: As `submit(_:)`; then there is none of them.
  public func submit(
    _ request: GenerationRequest, choices: Int
  ) throws(InferenceError) -> [Generation] {
    let request = try prepare(request, choices: choices)
    let key = try reserve(request)
    return try enqueue(request, choices: choices, key: key, serial: nil, ignoresLimit: false)
  }

  /// Queues a request that survives a crash: it returns when the request is on the disk.
  ///
  /// After a restart, `resumeUnfinished` takes it up again. The request needs an id; without a seed it
  /// gets one, so that it can be run again.
  /// - Throws: As `submit(_:)`, and `InferenceError.journalFailed`.
  public func submitDurably(
    _ request: GenerationRequest, choices: Int = 1
  ) async throws(InferenceError) -> [Generation] {
    guard let journal else { throw .journalFailed("the server keeps no journal of requests") }
    guard request.id != nil else {
      throw .invalidField("id", "is needed for a request that shall survive a crash")
    }
    let request = try prepare(request, choices: choices)
    guard inbox.hasRoom(for: choices, of: request.tenant) else {
      throw .queueFull(limit: inbox.limit)
    }
    let key = try reserve(request)
    let serial: UInt64
    do {
      serial = try await journal.accept(request, choices: choices)
    } catch {
      if let key { registry.drop(key) }
      throw error
    }
    do {
      return try enqueue(request, choices: choices, key: key, serial: serial, ignoresLimit: false)
    } catch {
      journal.finish(serial)
      throw error
    }
  }

  /// Queues the requests that a crash or a restart has interrupted; their results can be attached to.
  ///
  /// To be called once, before anything else is submitted.
  /// - Parameter prepare: Completes a request, for example with the constraint that `note` tells of.
  ///   An error drops the request.
  /// - Returns: The requests that are not taken up again, and why.
  @discardableResult
  public func resumeUnfinished(
    _ prepare: (GenerationRequest) throws -> GenerationRequest = { $0 }
  ) -> [(request: GenerationRequest, error: any Error)] {
    guard let journal else { return [] }
    var refused: [(request: GenerationRequest, error: any Error)] = []
    for journaled in journal.recovery.unfinished {
      do {
        var request = try self.prepare(prepare(journaled.request), choices: journaled.choices)
        request.outlivesReader = true
        let key = try reserve(request)
        _ = try enqueue(
          request, choices: journaled.choices, key: key, serial: journaled.serial,
          ignoresLimit: true)
      } catch {
        journal.finish(journaled.serial)
        refused.append((journaled.request, error))
      }
    }
    return refused
  }

  /// The last requests that were over when the journal was opened, oldest first.
  public var finishedBefore: [GenerationRequest] { journal?.recovery.finished ?? [] }

  /// The events of a request that runs or has been finished not long ago.
  ///
  /// - Parameters:
  ///   - id: The request's.
  ///   - tenant: Whose it is; a request of another tenant is not found.
  ///   - choice: Which of its answers.
  ///   - event: The first event wanted; `finished` comes in any case.
  /// - Returns: A generation whose `cancel` cancels the request; nil when there is no such request.
  public func attach(
    to id: RequestID, tenant: String? = nil, choice: Int = 0, from event: Int = 0
  ) -> Generation? {
    let key = RequestRegistry.Key(tenant: tenant, id: id)
    return registry.submission(key, choice: choice, at: MonotonicTime.now)?
      .attach(from: max(event, 0))
  }

  /// Checks a request and chooses its seed.
  private func prepare(
    _ request: GenerationRequest, choices: Int
  ) throws(InferenceError) -> GenerationRequest {
    try limits.validate(request)
    guard (1...Self.maximumChoices).contains(choices) else {
      throw .invalidField("n", "must be from 1 to \(Self.maximumChoices), not \(choices)")
    }
    var request = request
    if request.sampling.seed == nil { request.sampling.seed = UInt64.random(in: 0...(.max)) }
    return request
  }

  private static let maximumChoices = 128

  private func reserve(
    _ request: GenerationRequest
  ) throws(InferenceError) -> RequestRegistry.Key? {
    guard let id = request.id else { return nil }
    let key = RequestRegistry.Key(tenant: request.tenant, id: id)
    try registry.reserve(key, at: MonotonicTime.now)
    return key
  }

  private func enqueue(
    _ request: GenerationRequest, choices: Int, key: RequestRegistry.Key?, serial: UInt64?,
    ignoresLimit: Bool
  ) throws(InferenceError) -> [Generation] {
    let ending = RequestEnding(choices) { [registry, journal] wasInterrupted in
      if let key { registry.finish(key, at: MonotonicTime.now) }
      if let serial, !wasInterrupted { journal?.finish(serial) }
    }
    let time = MonotonicTime.now
    var generations: [Generation] = []
    do {
      let submissions = try inbox.append(
        choices, of: request.tenant, ignoresLimit: ignoresLimit
      ) { [inbox] id in
        var own = request
        let choice = generations.count
        own.sampling.seed = request.sampling.seed.map { Self.seed($0, choice: choice) }
        // The leader has the first of the numbers.
        let leader = choice > 0 ? SequenceID(number: id.number - UInt64(choice)) : nil
        let submission = Submission(id, own, leader: leader, time: time, inbox: inbox) {
          ending.note($0)
        }
        // Before it is queued, so that no event is missed.
        generations.append(submission.attach(from: request.resumeFrom))
        return submission
      }
      if let key { registry.set(submissions, for: key) }
      return generations
    } catch {
      if let key { registry.drop(key) }
      throw error
    }
  }

  /// The seed of one of several answers; the first one has the request's own.
  private static func seed(_ seed: UInt64, choice: Int) -> UInt64 {
    guard choice > 0 else { return seed }
    var mixer = SplitMix64(state: seed &+ UInt64(choice))
    return mixer.next()
  }
}

/// Tells when all answers of a request are over.
private final class RequestEnding: Sendable {
  private let state: Mutex<(missing: Int, wasInterrupted: Bool)>
  private let onEnd: @Sendable (Bool) -> Void

  init(_ choices: Int, onEnd: @escaping @Sendable (Bool) -> Void) {
    state = Mutex((choices, false))
    self.onEnd = onEnd
  }

  func note(_ outcome: Submission.Outcome) {
    let result = state.withLock { state -> Bool? in
      state.missing -= 1
      if case .interrupted = outcome { state.wasInterrupted = true }
      return state.missing == 0 ? state.wasInterrupted : nil
    }
    if let result { onEnd(result) }
  }
}

/// A request that has been submitted.
public struct Generation: Sendable {
  /// What happens; ends after `finished` or with an `InferenceError`.
  ///
  /// Dropping it, or cancelling the task that reads it, cancels the request, unless the request
  /// outlives its readers or has others.
  public let events: GenerationEvents
  /// The name by which the request can be attached to.
  public let id: RequestID?
  private let onNudge: @Sendable () -> Void
  private let onCancel: @Sendable () -> Void

  init(
    events: GenerationEvents, id: RequestID? = nil,
    onNudge: @escaping @Sendable () -> Void, onCancel: @escaping @Sendable () -> Void
  ) {
    self.events = events
    self.id = id
    self.onNudge = onNudge
    self.onCancel = onCancel
  }

  /// Ends the request before its next step, or at once when it still waits.
  public func cancel() { onCancel() }

  /// Lets the reader that waits for a batch of events have an empty one.
  public func nudge() { onNudge() }
}
