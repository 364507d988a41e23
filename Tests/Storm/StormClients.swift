import Experts
import Inference
import Kernels
import LinkEmulation
import Synchronization
import Telemetry
import Tokenization

/// Requests whose answers are known from a run without faults and without workers.
struct KnownRequests: Sendable {
  struct Case: Sendable {
    let request: GenerationRequest
    var answer: [TokenID] = []
  }

  private(set) var short: [Case] = []
  private(set) var long: [Case] = []

  /// Draws requests, and asks `engine`, which has all experts in this process, for the answers.
  init(_ engine: Engine, vocabulary: Int, seed: UInt64) async throws {
    var random = SeededGenerator(state: seed)
    func draw(_ tokens: ClosedRange<Int>) -> Case {
      let count = Int.random(in: 2...12, using: &random)
      let prompt = (0..<count).map { _ in
        TokenID(Int.random(in: 3..<vocabulary, using: &random))
      }
      let sampling =
        Bool.random(using: &random)
        ? SamplingParameters.greedy : SamplingParameters(temperature: 0.9, seed: random.next())
      return Case(
        request: GenerationRequest(
          prompt: prompt, maxTokens: Int.random(in: tokens, using: &random), sampling: sampling))
    }
    short = (0..<240).map { _ in draw(1...5) }
    long = (0..<16).map { _ in draw(60...120) }
    for index in short.indices {
      short[index].answer = try await Self.tokens(engine, short[index].request)
    }
    for index in long.indices {
      long[index].answer = try await Self.tokens(engine, long[index].request)
    }
  }

  private static func tokens(
    _ engine: Engine, _ request: GenerationRequest
  ) async throws -> [TokenID] {
    var tokens: [TokenID] = []
    for try await case .token(let token) in try engine.submit(request).events {
      tokens.append(token)
    }
    return tokens
  }
}

/// Clients that ask one request after another, and what came of it.
final class StormClients: Sendable {
  struct Gap: Sendable {
    let start, end: UInt64
  }

  struct Result: Sendable {
    var requests = 0
    var tokens = 0
    var wrong = 0
    var lost = 0
    var problems: [String] = []
    /// Times of more than 15 ms in which an answer stood still.
    var gaps: [Gap] = []
  }

  private let engine: Engine
  private let known: KnownRequests
  private let state = Mutex(Result())
  private let isStopped = Atomic<Bool>(false)

  init(_ engine: Engine, _ known: KnownRequests) {
    self.engine = engine
    self.known = known
  }

  var result: Result { state.withLock { $0 } }

  func stop() { isStopped.store(true, ordering: .relaxed) }

  /// Asks until `stop`.
  func run(clients: Int, seed: UInt64) async {
    await withTaskGroup(of: Void.self) { group in
      for client in 0..<clients {
        group.addTask { [self] in
          var random = SeededGenerator(state: seed &+ UInt64(client) &* 104_729)
          // Two clients read long answers, in which a pause shows best.
          let cases = client < 2 ? known.long : known.short
          while !isStopped.load(ordering: .relaxed) {
            guard let known = cases.randomElement(using: &random) else { return }
            await ask(known)
            // A little less than the machine can do: it has workers to start.
            try? await Task.sleep(for: .milliseconds(Int.random(in: 5...30, using: &random)))
          }
        }
      }
    }
  }

  private func ask(_ known: KnownRequests.Case) async {
    var tokens: [TokenID] = []
    var gaps: [Gap] = []
    var problem: String?
    do {
      let generation = try engine.submit(known.request)
      var last = MonotonicTime.nanoseconds
      for try await case .token(let token) in generation.events {
        tokens.append(token)
        let now = MonotonicTime.nanoseconds
        if now - last > 15_000_000 { gaps.append(Gap(start: last, end: now)) }
        last = now
      }
    } catch { problem = "\(error)" }
    state.withLock { [tokens, gaps, problem] state in
      state.requests += 1
      state.tokens += tokens.count
      state.gaps += gaps
      if let problem {
        state.lost += 1
        if state.problems.count < 20 { state.problems.append(problem) }
      } else if tokens != known.answer {
        state.wrong += 1
        if state.problems.count < 20 {
          state.problems.append("\(tokens) where \(known.answer) belong")
        }
      }
    }
  }
}
