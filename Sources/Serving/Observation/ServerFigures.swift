import Inference
import Synchronization

/// What the server has done since it started; shared by all requests.
final class ServerFigures: Sendable {
  /// The responses to one kind of request.
  struct Responses: Hashable, Sendable {
    let method: String
    let route: String
    let status: Int
  }

  /// The figures of one moment.
  struct Snapshot: Sendable {
    var responses: [Responses: Int] = [:]
    var openRequests = 0
    var keyFailures = 0
    var promptTokens = 0
    var cachedPromptTokens = 0
    var outputTokens = 0
    var openGenerations = 0
    var finished: [FinishReason: Int] = [:]
    var failedGenerations = 0
    var firstToken = BucketHistogram.answer
    var interToken = BucketHistogram.interToken
    var generation = BucketHistogram.answer
    var outputPerSecond = 0.0
    var promptPerSecond = 0.0
  }

  private struct State {
    var figures = Snapshot()
    var output = RateWindow()
    var prompt = RateWindow()
  }

  private let state = Mutex(State())

  /// The figures of now.
  func snapshot(at time: Duration = ServerTime.now) -> Snapshot {
    state.withLock { state in
      state.figures.outputPerSecond = state.output.perSecond(at: time)
      state.figures.promptPerSecond = state.prompt.perSecond(at: time)
      return state.figures
    }
  }

  /// A request has come.
  func begin() { state.withLock { $0.figures.openRequests += 1 } }

  /// A request is answered, body included.
  func end(_ responses: Responses) {
    state.withLock { state in
      state.figures.openRequests -= 1
      state.figures.responses[responses, default: 0] += 1
    }
  }

  /// A key was missing or wrong.
  func countKeyFailure() { state.withLock { $0.figures.keyFailures += 1 } }

  /// Watches a generation that was submitted; the prompt is charged at once.
  func watch(promptTokens: Int, account: Account?) -> GenerationWatch {
    let time = ServerTime.now
    account?.charge(prompt: promptTokens, at: time)
    state.withLock { state in
      state.figures.openGenerations += 1
      state.figures.promptTokens += promptTokens
    }
    return GenerationWatch(self, account: account, promptTokens: promptTokens, at: time)
  }

  fileprivate func token(first: Duration?, gap: Duration?, promptTokens: Int, at time: Duration) {
    state.withLock { state in
      state.figures.outputTokens += 1
      state.output.add(1, at: time)
      if let first {
        state.figures.firstToken.record(first)
        state.prompt.add(promptTokens, at: time)
      }
      if let gap { state.figures.interToken.record(gap) }
    }
  }

  fileprivate func finish(_ ending: GenerationWatch.Ending, after duration: Duration) {
    state.withLock { state in
      state.figures.openGenerations -= 1
      state.figures.generation.record(duration)
      switch ending {
      case .finished(let summary):
        state.figures.finished[summary.finishReason, default: 0] += 1
        state.figures.cachedPromptTokens += summary.cachedPromptTokens
      case .abandoned: state.figures.finished[.cancelled, default: 0] += 1
      case .failed: state.figures.failedGenerations += 1
      }
    }
  }
}

/// Counts what happens to one generation, by the events that its reader takes.
final class GenerationWatch: Sendable {
  fileprivate enum Ending {
    case finished(GenerationSummary)
    /// Nobody reads on.
    case abandoned
    case failed
  }

  private struct State {
    var last: Duration?
    var isOver = false
  }

  private let figures: ServerFigures
  private let account: Account?
  private let promptTokens: Int
  private let start: Duration
  private let state = Mutex(State())

  fileprivate init(
    _ figures: ServerFigures, account: Account?, promptTokens: Int, at time: Duration
  ) {
    self.figures = figures
    self.account = account
    self.promptTokens = promptTokens
    start = time
  }

  /// Takes note of an event.
  func take(_ event: GenerationEvent) {
    switch event {
    case .token: countToken(at: ServerTime.now)
    case .text, .logProbabilities: break
    case .finished(let summary): end(.finished(summary))
    }
  }

  private func countToken(at time: Duration) {
    let last = state.withLock { state in
      defer { state.last = time }
      return state.last
    }
    account?.charge(output: 1, at: time)
    figures.token(
      first: last == nil ? time - start : nil, gap: last.map { time - $0 },
      promptTokens: promptTokens, at: time)
  }

  /// Takes note that it has failed, unless it was over.
  func fail() { end(.failed) }

  private func end(_ ending: Ending) {
    let wasOver = state.withLock { state in
      defer { state.isOver = true }
      return state.isOver
    }
    if !wasOver { figures.finish(ending, after: ServerTime.now - start) }
  }

  deinit { end(.abandoned) }
}
