import Foundation
import Synchronization

/// Runs the requests of many clients on one model, in the order in which they came.
///
/// The engine has a thread of its own, because a step computes and waits for remote experts.
/// Submitting never waits for it, and it never waits for a client: a stream holds at most the events
/// of `maxTokens` tokens. A failed step ends its request only.
public final class Engine: Sendable {
  /// The most tokens that a prompt and its answer may have together.
  public let contextLength: Int
  private let limits: RequestLimits
  private let queue: RequestQueue

  /// Starts the thread.
  ///
  /// - Parameters:
  ///   - generator: What runs the requests; it moves to the engine's thread.
  ///   - queueLimit: How many requests may wait.
  public init<Model: LanguageModel>(
    _ generator: sending TextGenerator<Model>, queueLimit: Int = 256
  ) {
    contextLength = generator.contextLength
    limits = generator.limits
    let queue = RequestQueue(limit: queueLimit)
    self.queue = queue
    let handover = Mutex<TextGenerator<Model>?>(generator)
    let thread = Thread {
      guard let generator = handover.withLock({ $0.take() }) else { return }
      while let job = queue.next() { job.run(on: generator) }
      queue.finished()
    }
    thread.name = "engine"
    thread.stackSize = 8 << 20
    thread.start()
  }

  /// Queues a request.
  ///
  /// - Throws: `InferenceError` when the request cannot be run or the queue is full.
  public func submit(_ request: GenerationRequest) throws(InferenceError) -> Generation {
    try limits.validate(request)
    let (events, continuation) = AsyncThrowingStream<GenerationEvent, any Error>.makeStream()
    let job = Job(request: request, continuation: continuation)
    continuation.onTermination = { [queue] _ in queue.cancel(job) }
    try queue.append(job)
    return Generation(events: events) { [queue] in queue.cancel(job) }
  }

  /// Requests that wait, without the one that runs.
  public var waitingCount: Int { queue.waitingCount }

  /// Takes no more requests and ends the thread.
  ///
  /// - Parameter cancelling: Whether requests under way end before their next step; otherwise all
  ///   accepted ones are completed first.
  public func shutdown(cancelling: Bool) {
    queue.close(cancelling: cancelling)
  }

  /// Returns when the thread has ended after `shutdown`.
  public func waitUntilStopped() async {
    await queue.waitUntilFinished()
  }

  deinit { queue.close(cancelling: false) }
}

/// A request that has been submitted.
public struct Generation: Sendable {
  /// What happens; ends after `finished` or with an `InferenceError`.
  ///
  /// Dropping it, or cancelling the task that reads it, cancels the request.
  public let events: AsyncThrowingStream<GenerationEvent, any Error>
  private let onCancel: @Sendable () -> Void

  init(
    events: AsyncThrowingStream<GenerationEvent, any Error>,
    onCancel: @escaping @Sendable () -> Void
  ) {
    self.events = events
    self.onCancel = onCancel
  }

  /// Ends the request before its next step, or at once when it still waits.
  public func cancel() { onCancel() }
}

/// A request with the stream that its events go to.
final class Job: Sendable {
  private let request: GenerationRequest
  private let continuation: AsyncThrowingStream<GenerationEvent, any Error>.Continuation
  private let isCancelled = Atomic(false)

  init(
    request: GenerationRequest,
    continuation: AsyncThrowingStream<GenerationEvent, any Error>.Continuation
  ) {
    self.request = request
    self.continuation = continuation
  }

  func run<Model>(on generator: TextGenerator<Model>) {
    guard !isCancelled.load(ordering: .relaxed) else { return continuation.finish() }
    do {
      try generator.generate(request) {
        isCancelled.load(ordering: .relaxed)
      } onEvent: { event in
        continuation.yield(event)
      }
      continuation.finish()
    } catch {
      continuation.finish(throwing: error)
    }
  }

  func cancel() { isCancelled.store(true, ordering: .relaxed) }

  /// Ends the stream of a job that will not run.
  func end(_ error: InferenceError? = nil) { continuation.finish(throwing: error) }
}
