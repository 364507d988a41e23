import Inference
import Synchronization
import Tensors
import Tokenization

/// A model whose logits are a function of all tokens up to a position, so that any mistake with
/// pages, positions or resumption gives another answer.
final class HashModel: LanguageModel {
  struct Poisoned: Error, CustomStringConvertible { let description = "a row cannot be computed" }

  /// What a test wants to know of the steps.
  struct Steps: Sendable {
    var rowCounts: [Int] = []
    var sequenceCounts: [Int] = []
  }

  let vocabularySize = demoTokenizer.vocabularySize
  let contextLength: Int
  let maxStepRows: Int
  /// A step with this token fails.
  let poison: TokenID?
  /// The distance at which most tokens repeat, if texts are to repeat themselves.
  let period: Int?
  let steps = Mutex(Steps())
  private let onStep: @Sendable (Int) -> Void

  init(
    contextLength: Int = 512, maxStepRows: Int = 64, poison: TokenID? = nil,
    period: Int? = nil,
    onStep: @escaping @Sendable (Int) -> Void = { _ in }
  ) {
    self.contextLength = contextLength
    self.maxStepRows = maxStepRows
    self.poison = poison
    self.period = period
    self.onStep = onStep
  }

  /// So that `cacheMemory` counts pages.
  var bytesPerPage: Int { 1 }

  func makePool(pageCount: Int) -> ScriptedPool { ScriptedPool(pageCount: pageCount) }

  func forward(_ step: TokenBatch<ScriptedCache>, logits: inout FloatMatrix) throws {
    let number = steps.withLock { steps in
      steps.rowCounts.append(step.tokens.count)
      steps.sequenceCounts.append(step.parts.count)
      return steps.rowCounts.count
    }
    onStep(number)
    precondition((1...maxStepRows).contains(step.tokens.count))
    if let poison, step.tokens.contains(poison) { throw Poisoned() }
    var row = 0
    for part in step.parts {
      part.cache.append(step.tokens[part.range])
      guard part.wanted != .none else { continue }
      let tokens = part.cache.tokens
      let first = part.wanted == .all ? tokens.count - part.range.count + 1 : tokens.count
      for count in first...tokens.count {
        fill(logits.mutableRow(row), after: tokens[..<count])
        row += 1
      }
    }
  }

  private func fill(_ row: consuming MutableSpan<Float>, after tokens: ArraySlice<TokenID>) {
    var row = row
    var state: UInt64 = 7
    for token in tokens {
      state = (state ^ UInt64(UInt32(bitPattern: token))) &* 0x9E37_79B9_7F4A_7C15
      state ^= state >> 29
    }
    var random = SplitMix64(state: state)
    for id in row.indices { row[id] = -8 }
    for _ in 0..<24 {
      let id = Int(random.next() % UInt64(vocabularySize))
      row[id] = Float(random.next() >> 40) * 0x1p-22
    }
    if let period, tokens.count >= period, state % 5 != 0 {
      row[Int(tokens[tokens.endIndex - period])] = 12
    }
  }
}

/// Everything that a request was told, without the durations.
struct Told: Equatable {
  var events: [GenerationEvent] = []
  var reason: FinishReason?
  var error: String?

  /// Reads a generation to its end.
  init(_ generation: Generation) async {
    do {
      for try await event in generation.events {
        if case .finished(let summary) = event {
          reason = summary.finishReason
          summaryOfLast = summary
        } else {
          events.append(event)
        }
      }
    } catch {
      self.error = "\(error)"
    }
  }

  private(set) var summaryOfLast: GenerationSummary?

  var tokens: [TokenID] {
    events.compactMap { if case .token(let token) = $0 { token } else { nil } }
  }

  var text: String {
    events.reduce(into: "") { if case .text(let text) = $1 { $0 += text } }
  }

  static func == (first: Told, second: Told) -> Bool {
    first.events == second.events && first.reason == second.reason && first.error == second.error
  }
}

/// Reads many generations at the same time.
func told(_ generations: [Generation]) async -> [Told] {
  await withTaskGroup(of: (Int, Told).self) { group in
    for (index, generation) in generations.enumerated() {
      group.addTask { (index, await Told(generation)) }
    }
    var all: [Int: Told] = [:]
    for await (index, told) in group { all[index] = told }
    return generations.indices.compactMap { all[$0] }
  }
}

/// Requests of many kinds; some begin alike.
func manyRequests(
  _ count: Int, seed: UInt64, vocabulary: Int, shortest: Int = 1, longest: Int
) -> [GenerationRequest] {
  var random = RandomGenerator(seed: seed)
  func tokens(_ count: Int) -> [TokenID] {
    (0..<count).map { _ in TokenID(random.next() % UInt64(vocabulary)) }
  }
  let common = tokens(longest / 2)
  return (0..<count).map { index in
    let start = Bool.random(using: &random) ? Array(common.prefix(longest / 2)) : []
    let rest = Int.random(
      in: max(1, shortest - start.count)...(longest - start.count), using: &random)
    var request = GenerationRequest(
      prompt: start + tokens(rest), maxTokens: Int.random(in: 1...24, using: &random))
    switch index % 4 {
    case 0: request.sampling = .greedy
    case 1: request.sampling = SamplingParameters(seed: UInt64(index))
    case 2: request.sampling = SamplingParameters(temperature: 0.7, topP: 0.9, seed: 3)
    default:
      request.sampling = SamplingParameters(
        topK: 20, repetitionPenalty: 1.2, presencePenalty: 0.5, seed: UInt64(index))
    }
    request.topLogprobs = index % 3 == 0 ? 4 : nil
    request.tenant = ["a", "b", nil][index % 3]
    request.priority = RequestPriority.allCases[index / 3 % 3]
    return request
  }
}
