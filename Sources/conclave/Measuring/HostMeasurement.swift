import Kernels
import Tensors

/// What this machine can do, measured in about a second: its entry in a hosts file.
struct HostMeasurement {
  let name: String
  let memoryByteCount: Int
  let threads: Int
  let variant: KernelVariant
  /// Bytes of memory per second, all threads, averaged over the time of many passes: a machine that
  /// is shared is as fast as it is on average, which is what a step sees.
  let bytesPerSecond: Double
  /// Products of 8-bit numbers and of floats per second, all threads.
  let integerProductsPerSecond: Double
  let floatProductsPerSecond: Double
  /// Seconds of attention for one head and one position, all threads.
  let attentionSeconds: Double

  private static let readByteCount = 256 << 20
  private static let matrixByteCount = 12 << 20
  private static let rows = 64
  private static let passes = 31

  init(name: String, memory: Int, kernels: Kernels) throws {
    self.name = name
    memoryByteCount = memory
    threads = kernels.team.threadCount
    variant = kernels.variant
    let ceilings = try HostCeilings(byteCount: Self.readByteCount)
    bytesPerSecond = Self.average(passes: 2 * Self.passes) {
      ceilings.readBytesPerSecond(team: kernels.team, passes: 1)
    }
    integerProductsPerSecond = try Self.products(.q4K, kernels)
    floatProductsPerSecond = try Self.products(.f16, kernels)
    attentionSeconds =
      try AttentionSpeed(
        .float16, heads: 16, context: 2048, rows: 1, kernels: kernels, duration: .milliseconds(60)
      ).nanosecondsPerPositionHead * 1e-9
  }

  /// The speed of a matrix larger than most caches, with as many rows as a prompt's step has.
  private static func products(_ format: ElementFormat, _ kernels: Kernels) throws -> Double {
    let matrix = try KernelSpeed.matrix(format, byteCount: matrixByteCount, team: kernels.team)
    let x = KernelSpeed.activations(rows: rows, for: matrix, kernels)
    var out = FloatMatrix(rows: rows, columns: matrix.rows)
    var plan = MatmulPlan()
    plan.append(matrix, x, rows: 0..<rows, into: &out)
    return average(passes: passes) {
      let time = ContinuousClock().measure { kernels.run(&plan) }
      return Double(matrix.rows * matrix.columns * rows) / max(time / .seconds(1), 1e-9)
    }
  }

  /// The rate that all of some passes together have; one before them does not count.
  private static func average(passes: Int, _ rate: () -> Double) -> Double {
    _ = rate()
    let times = (0..<passes).map { _ in 1 / max(rate(), 1) }
    return Double(passes) / times.reduce(0, +)
  }

  /// The entry of a hosts file.
  var yaml: [String] {
    [
      "- name: \(name)", "  memory: \(Self.size(memoryByteCount))", "  cores: \(threads)",
      "  bandwidth: \(giga(bytesPerSecond))GB/s",
      "  compute: \(giga(integerProductsPerSecond))G/s        # 8-bit products, \(variant.rawValue)",
      "  float-compute: \(giga(floatProductsPerSecond))G/s",
      "  attention: \(Quantity.number(attentionSeconds * 1e9))ns       # per head and position",
    ]
  }

  var json: JSONText {
    .object([
      ("name", .string(name)), ("memoryBytes", .integer(memoryByteCount)),
      ("cores", .integer(threads)), ("kernels", .string(variant.rawValue)),
      ("readBytesPerSecond", .number(bytesPerSecond)),
      ("integerProductsPerSecond", .number(integerProductsPerSecond)),
      ("floatProductsPerSecond", .number(floatProductsPerSecond)),
      ("attentionNanoseconds", .number(attentionSeconds * 1e9)),
    ])
  }

  private func giga(_ value: Double) -> String { Quantity.number(value / 1e9) }

  /// Rounded down, so that what is promised is there.
  private static func size(_ count: Int) -> String {
    let tenths = (count >> 20) * 10 >> 10
    return tenths < 100 ? "\(count >> 20)MiB" : "\(tenths / 10).\(tenths % 10)GiB"
  }
}
