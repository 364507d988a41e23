import ArgumentParser
import Kernels

/// Speed of attention alone.
struct BenchAttention: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench-attention",
    abstract: "Measures attention on the latent cache, by format, heads and context.",
    discussion: """
      Needs no model: one layer's cache of 512 + 64 elements per position, random numbers. V2-Lite \
      has 16 heads, V2 has 128. One row is a decode step; more are a chunk of a prompt that ends \
      at the context. The fastest run of each counts.
      """)

  @Option(parsing: .upToNextOption, help: "Query heads: 16,128.")
  var heads = [CountList([16, 128])]

  @Option(parsing: .upToNextOption, help: "Positions: 512,8192.")
  var contexts = [CountList([512, 2048, 8192, 32768])]

  @Option(help: "Rows of one sequence.")
  var rows = 1

  @Option(help: ArgumentHelp("How long each is measured.", valueName: "milliseconds"))
  var milliseconds = 100

  @Flag(help: "Print one JSON object.")
  var json = false

  @OptionGroup(title: "Computing") var computeArguments: ComputeArguments

  mutating func validate() throws {
    for count in heads.flatMap(\.values) { try check(count, "--heads", in: 1...4096) }
    for count in contexts.flatMap(\.values) { try check(count, "--contexts", in: 1...1 << 20) }
    try check(rows, "--rows", in: 1...512)
    try check(milliseconds, "--milliseconds", in: 1...60_000)
  }

  private func check(_ value: Int, _ option: String, in range: ClosedRange<Int>) throws {
    guard range.contains(value) else {
      throw ValidationError(
        "\(option) must be from \(range.lowerBound) to \(range.upperBound), not \(value)")
    }
  }

  func run() throws {
    let kernels = try computeArguments.makeKernels()
    var speeds: [AttentionSpeed] = []
    for format in KVFormat.allCases {
      for heads in heads.flatMap(\.values) {
        for context in contexts.flatMap(\.values) {
          speeds.append(
            try AttentionSpeed(
              format, heads: heads, context: context, rows: rows, kernels: kernels,
              duration: .milliseconds(milliseconds)))
        }
      }
    }
    if json {
      try Output.json([
        "kernels": .string(kernels.variant.rawValue),
        "threads": .integer(kernels.team.threadCount),
        "attention": .array(speeds.map(\.json)),
      ])
    } else {
      for line in lines(speeds) { try Output.line(line) }
    }
  }

  private func lines(_ speeds: [AttentionSpeed]) -> [String] {
    var table = Table(
      [
        "format", "heads", "context", "rows", "microseconds", "ns/position/head", "GFLOP/s",
        "cache GB/s",
      ], rightAligned: Set(1..<8))
    for speed in speeds {
      table.add([
        speed.format.rawValue, String(speed.heads), String(speed.context), String(speed.rows),
        Quantity.number(speed.seconds * 1e6), Quantity.number(speed.nanosecondsPerPositionHead),
        Quantity.number(speed.operationsPerSecond / 1e9),
        Quantity.number(speed.bytesPerSecond / 1e9),
      ])
    }
    return table.lines(style: .results)
  }
}

extension AttentionSpeed {
  fileprivate var json: JSONText {
    .object([
      ("format", .string(format.rawValue)), ("heads", .integer(heads)),
      ("context", .integer(context)), ("rows", .integer(rows)), ("seconds", .number(seconds)),
      ("nanosecondsPerPositionHead", .number(nanosecondsPerPositionHead)),
      ("operationsPerSecond", .number(operationsPerSecond)),
      ("cacheBytesPerSecond", .number(bytesPerSecond)),
    ])
  }
}
