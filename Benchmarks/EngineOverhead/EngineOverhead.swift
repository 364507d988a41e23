import Foundation
import Inference
import Kernels
import ModelFiles
import Synchronization
import Telemetry
import Tensors
import Tokenization

/// What the engine costs per token and stream beside the model: scheduling, sampling, events.
///
/// Run from the top of the repository: `swift run -c release EngineOverhead [STREAMS] [TOKENS]`.
@main
struct EngineOverhead {
  static func main() async throws {
    let numbers = CommandLine.arguments.dropFirst().compactMap { Int($0) }
    let streams = numbers.first ?? 64
    let tokens = numbers.dropFirst().first ?? 200
    let vocabulary = "Tests/Fixtures/tokenizer/ggml-vocab-deepseek-llm.gguf"
    let tokenizer = try Tokenizer(ModelArchive.open(vocabulary))
    print("\(streams) streams of \(tokens) tokens, \(tokenizer.vocabularySize) logits each;")
    print("microseconds per token and stream; sampling is CPU time of all threads")
    print("sampling           schedule   sample   events   readers")
    for (name, sampling, top) in Self.cases {
      let row = try await measure(
        sampling, top: top, streams: streams, tokens: tokens, tokenizer: tokenizer)
      print(name.padding(toLength: 18, withPad: " ", startingAt: 0) + row)
    }
    print(String(format: "latencies of one answered call: %.0f ns", recordingCost()))
  }

  /// What the histograms that are always on cost for each worker and layer, in nanoseconds.
  private static func recordingCost(calls: Int = 1_000_000) -> Double {
    let measured = Mutex(HopLatencies())
    let before = cpuTime()
    for call in 0..<calls {
      // As scattered as real times are, so that the counters do not stay in the nearest cache.
      let noise = UInt64(truncatingIfNeeded: call &* 7919) % 100_000
      measured.withLock {
        $0.record(
          roundTrip: 400_000 + noise, queue: 2000 + noise / 50, compute: 200_000 + noise, reply: 900
        )
      }
    }
    return (cpuTime() - before) / .nanoseconds(1) / Double(calls)
  }

  private static let cases: [(String, SamplingParameters, Int?)] = [
    ("greedy", .greedy, nil), ("temperature 1", SamplingParameters(seed: 1), nil),
    ("top-p 0.95", SamplingParameters(temperature: 0.7, topP: 0.95, seed: 1), nil),
    ("top-k 40", SamplingParameters(topK: 40, seed: 1), nil),
    ("penalties", SamplingParameters(repetitionPenalty: 1.1, seed: 1), nil),
    ("greedy, logprobs 5", .greedy, 5),
  ]

  private static func measure(
    _ sampling: SamplingParameters, top: Int?, streams: Int, tokens: Int, tokenizer: Tokenizer
  ) async throws -> String {
    let team = ThreadTeam()
    var options = EngineOptions()
    options.maxSequences = streams
    options.queueLimit = streams
    options.cacheMemory = streams * (tokens / NothingPool.pageTokens + 2)
    let engine = try Engine(
      NothingModel(vocabularySize: tokenizer.vocabularySize, team: team), tokenizer: tokenizer,
      options: options)
    let before = cpuTime()
    let generations = try (0..<streams).map { index in
      var request = GenerationRequest(
        prompt: [TokenID(index), 1, 2], maxTokens: tokens, sampling: sampling)
      request.topLogprobs = top
      return try engine.submit(request)
    }
    let count = await withTaskGroup(of: Int.self) { group in
      for generation in generations {
        group.addTask {
          var count = 0
          do { for try await case .token in generation.events { count += 1 } } catch {}
          return count
        }
      }
      return await group.reduce(0, +)
    }
    let total = cpuTime() - before
    let phases = engine.status.phases
    let perToken = { (duration: Duration) in duration / .microseconds(1) / Double(count) }
    let threads = Double(min(team.threadCount, streams))
    let rest = perToken(total) - perToken(phases.forward)
    let own = perToken(phases.scheduling) + perToken(phases.events)
    let sample = perToken(phases.sampling) * threads
    return [perToken(phases.scheduling), sample, perToken(phases.events), rest - own - sample]
      .map { String(format: "%9.1f", $0) }.joined()
  }

  private static func cpuTime() -> Duration {
    var time = timespec()
    unsafe clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
  }
}

/// A model that takes no time: the same logits for ever.
final class NothingModel: LanguageModel {
  let vocabularySize: Int
  let contextLength = 1 << 20
  let maxStepRows = 512
  let team: ThreadTeam?
  let bytesPerPage = 1
  private var filledRows = 0

  init(vocabularySize: Int, team: ThreadTeam) {
    self.vocabularySize = vocabularySize
    self.team = team
  }

  func makePool(pageCount: Int) -> NothingPool { NothingPool(pageCount: pageCount) }

  func forward(_ step: TokenBatch<NothingCache>, logits: inout FloatMatrix) {
    var row = 0
    for part in step.parts {
      part.cache.length += part.range.count
      guard part.wanted != .none else { continue }
      if row >= filledRows { fill(logits.mutableRow(row), row) }
      row += 1
    }
    filledRows = max(filledRows, row)
  }

  /// A bell curve, with a few likely tokens above it, as real models have.
  private func fill(_ row: consuming MutableSpan<Float>, _ number: Int) {
    var row = row
    var random = SplitMix64(state: UInt64(number))
    for id in row.indices {
      let sum = (0..<4).reduce(Float(0)) { sum, _ in sum + Float(random.next() >> 40) * 0x1p-24 }
      row[id] = 4 * sum - 8
    }
    for rank in 0..<50 { row[Int(random.next() % UInt64(row.count))] = 22 - Float(rank) * 0.3 }
  }
}

/// Pages without contents.
final class NothingPool: CachePool {
  static let pageTokens = 64
  let pageCount: Int
  let bytesPerPage = 1
  var freePageCount: Int
  private var holders: [Int32]
  private var free: [Int]

  init(pageCount: Int) {
    self.pageCount = pageCount
    freePageCount = pageCount
    holders = Array(repeating: 0, count: pageCount)
    free = Array((0..<pageCount).reversed())
  }

  func makeCache() -> NothingCache { NothingCache(self, []) }

  func makeCache(sharing pages: [Int]) -> NothingCache {
    for page in pages { retain(page) }
    return NothingCache(self, pages)
  }

  func takePage(filling fill: (inout MutableRawSpan) -> Bool) -> Int? { nil }

  func withBytes(of page: Int, _ body: (RawSpan) -> Void) {}

  func retain(_ page: Int) { holders[page] += 1 }

  func release(_ page: Int) {
    holders[page] -= 1
    guard holders[page] == 0 else { return }
    free.append(page)
    freePageCount += 1
  }

  func take() -> Int? {
    guard let page = free.popLast() else { return nil }
    freePageCount -= 1
    holders[page] = 1
    return page
  }
}

/// The length of a sequence.
final class NothingCache: SequenceCache {
  struct Full: Error {}

  var length: Int
  private(set) var pages: [Int]
  private let pool: NothingPool

  init(_ pool: NothingPool, _ pages: [Int]) {
    self.pool = pool
    self.pages = pages
    length = pages.count * NothingPool.pageTokens
  }

  deinit { for page in pages { pool.release(page) } }

  var pageCount: Int { pages.count }

  func reserve(_ count: Int) throws {
    let needed = (length + count + NothingPool.pageTokens - 1) / NothingPool.pageTokens
    guard needed - pages.count <= pool.freePageCount else { throw Full() }
    while pages.count < needed, let page = pool.take() { pages.append(page) }
  }

  func truncate(to length: Int) {
    self.length = length
    let needed = (length + NothingPool.pageTokens - 1) / NothingPool.pageTokens
    while pages.count > needed { pool.release(pages.removeLast()) }
  }
}
