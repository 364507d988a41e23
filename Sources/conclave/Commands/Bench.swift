import ArgumentParser
import Inference
import Kernels
import Tokenization

/// Repeatable throughput.
struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measures prefill and decode speed.",
    discussion: """
      Every repetition runs the same random prompt from an empty cache and then generates greedily, \
      without stopping early. One shorter run before them is not counted.
      """)

  @Argument(help: "A GGUF file or a Hugging Face folder.")
  var model: String

  @Option(name: .customLong("prompt-tokens"), help: ArgumentHelp("Prompt.", valueName: "tokens"))
  var promptTokens = 512

  @Option(
    name: .customLong("generate-tokens"), help: ArgumentHelp("Answer.", valueName: "tokens"))
  var generateTokens = 64

  @Option(help: ArgumentHelp("Runs that count.", valueName: "count"))
  var repetitions = 3

  @Flag(help: "Print one JSON object.")
  var json = false

  @OptionGroup(title: "Model") var modelArguments: ModelArguments
  @OptionGroup(title: "Cluster") var clusterArguments: ClusterArguments
  @OptionGroup(title: "Computing") var computeArguments: ComputeArguments

  mutating func validate() throws {
    try check(promptTokens, "--prompt-tokens", in: 1...1_000_000)
    try check(generateTokens, "--generate-tokens", in: 2...1_000_000)
    try check(repetitions, "--repetitions", in: 1...1000)
  }

  private func check(_ value: Int, _ option: String, in range: ClosedRange<Int>) throws {
    guard range.contains(value) else {
      throw ValidationError(
        "\(option) must be from \(range.lowerBound) to \(range.upperBound), not \(value)")
    }
  }

  func run() throws {
    let runs = try ModelSession.withSession(
      model, modelArguments, clusterArguments, computeArguments
    ) { session in
      let generator = try session.makeGenerator(capacity: promptTokens + generateTokens)
      _ = try measure(generator, prompt: min(promptTokens, 32), answer: 4)
      return try (0..<repetitions).map { _ in
        try measure(generator, prompt: promptTokens, answer: generateTokens)
      }
    }
    let prefill = Spread(runs.map(\.prefillTokensPerSecond))
    let decode = Spread(runs.map(\.decodeTokensPerSecond))
    if json {
      try Output.json([
        "prefillTokensPerSecond": prefill.json, "decodeTokensPerSecond": decode.json,
        "promptTokens": .integer(promptTokens), "generateTokens": .integer(generateTokens),
        "repetitions": .integer(repetitions), "threads": .integer(computeArguments.threadCount),
        "kernels": .string((computeArguments.kernels ?? .best).rawValue),
      ])
    } else {
      try Output.line("prefill \(promptTokens)  \(prefill.text) tokens/s")
      try Output.line("decode \(generateTokens)  \(decode.text) tokens/s")
    }
  }

  private func measure(
    _ generator: ModelSession.Generator, prompt: Int, answer: Int
  ) throws -> GenerationSummary {
    var state: UInt64 = 1
    let tokens = (0..<prompt).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return TokenID(truncatingIfNeeded: (state >> 33) % UInt64(generator.tokenizer.vocabularySize))
    }
    return try generator.generate(GenerationRequest(prompt: tokens, maxTokens: answer)) { _ in }
  }
}

/// Some measurements of one thing.
struct Spread {
  let values: [Double]

  /// At least one value.
  init(_ values: [Double]) { self.values = values.sorted() }

  var median: Double {
    let middle = values.count / 2
    return values.count % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2
  }

  /// Half of the range, relative to the median.
  var spread: Double {
    guard let first = values.first, let last = values.last, median > 0 else { return 0 }
    return (last - first) / 2 / median
  }

  var text: String {
    "\(Quantity.number(median)) (\(Quantity.number(values.first ?? 0)) to"
      + " \(Quantity.number(values.last ?? 0)))"
  }

  var json: JSONText {
    .object([
      ("median", .number(median)), ("spread", .number(spread)),
      ("minimum", .number(values.first ?? 0)), ("maximum", .number(values.last ?? 0)),
      ("samples", .array(values.map(JSONText.number))),
    ])
  }
}
