import DeepSeek
import Inference
import ModelFiles

/// What to measure of a model.
struct ThroughputPlan {
  var promptTokens: [Int]
  var generateTokens: Int
  var batches: [Int]
  /// The prompt of each sequence of a batch.
  var batchPromptTokens: Int
  var depths: [Int]
  var repetitions: Int
  var breakdown: Bool

  /// Most positions that are computed to fill a cache; beyond them they are repeated.
  static let computedDepth = 2048

  var mostSequences: Int { max(1, batches.max() ?? 1) }
}

/// Speeds of a model, in tokens per second.
struct Throughput {
  /// One sequence: a prompt, then an answer.
  struct Prompt {
    let tokens: Int
    let prefill: Spread
    let decode: Spread
  }

  /// Several sequences in one step, their tokens added up.
  struct Batch {
    let sequences: Int
    let decode: Spread
  }

  /// One sequence after many tokens.
  struct Depth {
    let tokens: Int
    let decode: Spread
  }

  /// Opening the model and bringing all weights into memory.
  private let load: (bytes: Int, duration: Duration)
  private(set) var prompts: [Prompt] = []
  private(set) var batches: [Batch] = []
  private(set) var depths: [Depth] = []
  private(set) var breakdown: StepBreakdown?
  private(set) var promptBreakdown: PromptBreakdown?
  private(set) var text: TextCost?
}

extension Throughput {
  /// Measures all of `plan`; one step of the largest size before it is not counted.
  init(_ session: ModelSession, loading: Duration, _ plan: ThroughputPlan) throws {
    load = (session.archive.tensorByteCount, loading)
    let sequences = RandomSequences(session, sequences: plan.mostSequences)
    // As large as the largest step: its buffers, here and at the workers, are touched first here.
    let count = min(plan.promptTokens.max() ?? 1, session.trunk.maxStepRows)
    let warm = try sequences.makeCache(capacity: count + 4)
    try sequences.prefill(warm, count: count)
    for _ in 0..<4 { try sequences.decode([warm]) }
    for tokens in plan.promptTokens { prompts.append(try Self.prompt(tokens, plan, sequences)) }
    for count in plan.batches { batches.append(try Self.batch(count, plan, sequences)) }
    depths = try Self.depths(plan, sequences)
    guard plan.breakdown, let prompt = prompts.first else { return }
    promptBreakdown = try PromptBreakdown(
      session, sequences, tokens: prompt.tokens, repetitions: plan.repetitions)
    breakdown = try StepBreakdown(session, sequences, prompt: prompt.tokens, plan)
    text = try TextCost(session, sequences.logits)
  }

  private static func prompt(
    _ tokens: Int, _ plan: ThroughputPlan, _ sequences: RandomSequences
  ) throws -> Prompt {
    var prefill: [Double] = []
    var decode: [Double] = []
    let cache = try sequences.makeCache(capacity: tokens + plan.generateTokens)
    for _ in 0..<plan.repetitions {
      prefill.append(try rate(of: tokens) { try sequences.prefill(cache, count: tokens) })
      decode.append(try Self.decode([cache], plan, sequences))
    }
    return Prompt(tokens: tokens, prefill: Spread(prefill), decode: Spread(decode))
  }

  private static func batch(
    _ count: Int, _ plan: ThroughputPlan, _ sequences: RandomSequences
  ) throws -> Batch {
    let caches = try (0..<count).map { _ in
      try sequences.makeCache(capacity: plan.batchPromptTokens + plan.generateTokens)
    }
    for cache in caches { try sequences.prefill(cache, count: plan.batchPromptTokens) }
    let rates = try (0..<plan.repetitions).map { _ in
      for cache in caches { cache.truncate(to: plan.batchPromptTokens) }
      return try decode(caches, plan, sequences)
    }
    return Batch(sequences: count, decode: Spread(rates))
  }

  private static func depths(
    _ plan: ThroughputPlan, _ sequences: RandomSequences
  ) throws -> [Depth] {
    guard let deepest = plan.depths.max() else { return [] }
    let cache = try sequences.makeCache(capacity: deepest + plan.generateTokens)
    return try plan.depths.sorted().map { depth in
      try sequences.prefill(cache, count: min(depth, ThroughputPlan.computedDepth))
      if depth > cache.length { try cache.repeatPages(to: depth) }
      let rates = try (0..<plan.repetitions).map { _ in
        cache.truncate(to: depth)
        return try decode([cache], plan, sequences)
      }
      return Depth(tokens: depth, decode: Spread(rates))
    }
  }

  /// Tokens per second of all caches together.
  private static func decode(
    _ caches: [KVCache], _ plan: ThroughputPlan, _ sequences: RandomSequences
  ) throws -> Double {
    try rate(of: plan.generateTokens * caches.count) {
      for _ in 0..<plan.generateTokens { try sequences.decode(caches) }
    }
  }

  private static func rate(of count: Int, _ body: () throws -> Void) rethrows -> Double {
    let duration = try ContinuousClock().measure(body)
    return Double(count) / max(duration / .seconds(1), 1e-9)
  }
}

extension Throughput {
  /// Members of the JSON object.
  var json: [(String, JSONText)] {
    var members: [(String, JSONText)] = []
    if let prompt = prompts.first {
      members += [
        ("prefillTokensPerSecond", prompt.prefill.json),
        ("decodeTokensPerSecond", prompt.decode.json), ("promptTokens", .integer(prompt.tokens)),
      ]
    }
    members.append(
      (
        "load",
        .object([
          ("bytes", .integer(load.bytes)), ("seconds", .number(load.duration / .seconds(1))),
        ])
      ))
    members.append(("prompts", .array(prompts.map(\.json))))
    members.append(("batches", .array(batches.map(\.json))))
    members.append(("depths", .array(depths.map(\.json))))
    if let promptBreakdown { members.append(("prompt", promptBreakdown.json)) }
    if let breakdown { members.append(("step", breakdown.json)) }
    if let text { members.append(("text", text.json(step: breakdown?.duration))) }
    return members
  }

  /// What people read.
  func lines(answer: Int) -> [String] {
    var table = Table(["", "tokens", "tokens/s"], rightAligned: [1, 2])
    for prompt in prompts {
      table.add(["prefill", "\(prompt.tokens)", prompt.prefill.text])
      table.add(["decode after it", "\(answer)", prompt.decode.text])
    }
    for batch in batches {
      let sequences = batch.sequences == 1 ? "1 sequence" : "\(batch.sequences) sequences"
      table.add(["decode, \(sequences)", "\(answer)", batch.decode.text])
    }
    for depth in depths {
      table.add(["decode at depth \(depth.tokens)", "\(answer)", depth.decode.text])
    }
    let speed = Double(load.bytes) / max(load.duration / .seconds(1), 1e-9)
    var lines = [
      "loaded \(Quantity.bytes(load.bytes)) in \(Quantity.time(load.duration)),"
        + " \(Quantity.bytes(Int(speed)))/s"
    ]
    lines += table.lines(style: .results)
    if let deepest = depths.last, deepest.tokens > ThroughputPlan.computedDepth {
      lines.append(
        "(beyond \(ThroughputPlan.computedDepth) tokens, a cache is filled by repeating them)")
    }
    if let promptBreakdown { lines += [""] + promptBreakdown.lines }
    if let breakdown { lines += [""] + breakdown.lines }
    if let text { lines += [""] + text.lines(step: breakdown?.duration) }
    return lines
  }
}

extension Throughput.Prompt {
  fileprivate var json: JSONText {
    .object([
      ("promptTokens", .integer(tokens)), ("prefillTokensPerSecond", prefill.json),
      ("decodeTokensPerSecond", decode.json),
    ])
  }
}

extension Throughput.Batch {
  fileprivate var json: JSONText {
    .object([("sequences", .integer(sequences)), ("decodeTokensPerSecond", decode.json)])
  }
}

extension Throughput.Depth {
  fileprivate var json: JSONText {
    .object([
      ("depth", .integer(tokens)),
      ("computedPositions", .integer(min(tokens, ThroughputPlan.computedDepth))),
      ("decodeTokensPerSecond", decode.json),
    ])
  }
}
