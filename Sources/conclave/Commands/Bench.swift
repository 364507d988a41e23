import ArgumentParser
import Kernels

/// Repeatable throughput.
struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measures prefill and decode speed.",
    discussion: """
      Every repetition runs random tokens from an empty cache: a prompt, then an answer token by \
      token. --batch decodes that many sequences in one step and adds their tokens up; --depth \
      decodes after that many tokens, of which at most \(ThroughputPlan.computedDepth) are \
      computed and then repeated, because what a step costs depends on how many positions are \
      stored, not on which. One short run before all others is not counted.
      """)

  @Argument(help: "A GGUF file or a Hugging Face folder.")
  var model: String

  @Option(
    name: .customLong("prompt-tokens"),
    help: ArgumentHelp("Prompts, one or several lengths: 128,512.", valueName: "tokens"))
  var promptTokens = CountList([512])

  @Option(
    name: .customLong("generate-tokens"),
    help: ArgumentHelp("Tokens of each answer.", valueName: "tokens"))
  var generateTokens = 64

  @Option(help: ArgumentHelp("Sequences that decode together: 1,4,16,64.", valueName: "counts"))
  var batch: CountList?

  @Option(
    name: .customLong("batch-prompt-tokens"),
    help: ArgumentHelp("Prompt of each sequence of a batch.", valueName: "tokens"))
  var batchPromptTokens = 32

  @Option(
    help: ArgumentHelp("Tokens that are there before decoding: 0,8192.", valueName: "tokens"))
  var depth: CountList?

  @Option(help: ArgumentHelp("Runs that count.", valueName: "count"))
  var repetitions = 3

  @Flag(help: "Also where the time of a prompt and of a decode step goes, and what text costs.")
  var breakdown = false

  @Flag(help: "Print one JSON object.")
  var json = false

  @OptionGroup(title: "Model") var modelArguments: ModelArguments
  @OptionGroup(title: "Cluster") var clusterArguments: ClusterArguments
  @OptionGroup(title: "Computing") var computeArguments: ComputeArguments

  mutating func validate() throws {
    try check(promptTokens.values, "--prompt-tokens", in: 1...1_000_000)
    try check([generateTokens], "--generate-tokens", in: 2...1_000_000)
    try check(batch?.values ?? [], "--batch", in: 1...modelArguments.stepTokens)
    try check([batchPromptTokens], "--batch-prompt-tokens", in: 1...1_000_000)
    try check(depth?.values ?? [], "--depth", in: 0...1_000_000)
    try check([repetitions], "--repetitions", in: 1...1000)
  }

  private func check(_ values: [Int], _ option: String, in range: ClosedRange<Int>) throws {
    for value in values where !range.contains(value) {
      throw ValidationError(
        "\(option) must be from \(range.lowerBound) to \(range.upperBound), not \(value)")
    }
  }

  func run() throws {
    let plan = ThroughputPlan(
      promptTokens: promptTokens.values, generateTokens: generateTokens,
      batches: batch?.values ?? [],
      batchPromptTokens: batchPromptTokens, depths: depth?.values ?? [], repetitions: repetitions,
      breakdown: breakdown)
    let start = ContinuousClock.now
    let throughput = try ModelSession.withSession(
      model, modelArguments, clusterArguments, computeArguments
    ) { session in
      try Throughput(session, loading: ContinuousClock.now - start, plan)
    }
    guard json else {
      for line in throughput.lines(answer: generateTokens) { try Output.line(line) }
      return
    }
    let conditions: [(String, JSONText)] = [
      ("generateTokens", .integer(generateTokens)),
      ("batchPromptTokens", .integer(batchPromptTokens)), ("repetitions", .integer(repetitions)),
      ("threads", .integer(computeArguments.threadCount)),
      ("kernels", .string((computeArguments.kernels ?? .best).rawValue)),
    ]
    try Output.line(JSONText.object(throughput.json + conditions).text)
  }
}
