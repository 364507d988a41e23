import ArgumentParser
import Kernels
import Tensors

/// Speed of the matrix kernels alone.
struct BenchKernels: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench-kernels",
    abstract: "Measures the matrix kernels against what this machine can do at most.",
    discussion: """
      Needs no model. For every format: a matrix far larger than the caches times one row, with \
      one thread and with all, in bytes of weights per second; and a matrix that fits the \
      second-level cache times some rows, with one thread, in multiplications per second. Before \
      that the ceilings: how fast memory is read, and how fast registers are multiplied. Plain C \
      kernels are slow and measured with --kernels scalar only.
      """)

  @Option(help: ArgumentHelp("Formats: q4_k,q8_0. (default: all)", valueName: "names"))
  var formats: FormatList?

  @Option(help: ArgumentHelp("Rows that a small matrix meets.", valueName: "counts"))
  var rows = CountList([1, 2, 4, 8, 16, 64, 512])

  @Option(
    name: .customLong("working-set"),
    help: ArgumentHelp("Bytes of a large matrix. (default: 384MiB)", valueName: "bytes"))
  var workingSet: ByteCount?

  /// All that run here, without the slow one unless there is no other.
  private static var fastVariants: [KernelVariant] {
    let fast = KernelVariant.available.filter { $0 != .scalar }
    return fast.isEmpty ? [.scalar] : fast
  }

  private var byteCount: Int { workingSet?.bytes ?? 384 << 20 }

  @Flag(help: "Print one JSON object.")
  var json = false

  @OptionGroup(title: "Computing") var computeArguments: ComputeArguments

  mutating func validate() throws {
    guard (1 << 20...1 << 40).contains(byteCount) else {
      throw ValidationError("--working-set must be from 1MiB to 1TiB")
    }
    for count in rows.values where !(1...4096).contains(count) {
      throw ValidationError("--rows must be from 1 to 4096, not \(count)")
    }
  }

  func run() throws {
    let all = try computeArguments.makeKernels()  // refuses a variant that is not there
    let variants = computeArguments.kernels.map { [$0] } ?? Self.fastVariants
    var report = KernelReport(threads: all.team.threadCount, rowCounts: rows.values)
    try report.measureCeilings(variants, byteCount: byteCount)
    let chosen = formats?.values ?? FormatList.all
    let bar = ProgressBar("measuring kernels")
    defer { bar.finish() }
    for (index, format) in chosen.enumerated() {
      bar.update(Double(index) / Double(chosen.count))
      for variant in variants {
        try report.measure(format, variant, byteCount: byteCount)
      }
    }
    bar.finish()
    if json {
      try Output.line(report.json.text)
    } else {
      for line in report.lines { try Output.line(line) }
    }
  }
}

/// Element formats on the command line: `q4_k,bf16`.
struct FormatList: ExpressibleByArgument {
  let values: [ElementFormat]

  /// What weights may be stored in.
  static let all = ElementFormat.allCases.filter { $0 != .q8_1 && $0 != .q8K }

  init?(argument: String) {
    let names = argument.split(separator: ",")
    let values = names.compactMap { name in
      Self.all.first { $0.name.lowercased() == name.lowercased() }
    }
    guard !values.isEmpty, values.count == names.count else { return nil }
    self.values = values
  }
}
