import Kernels
import Tensors

/// Speeds of all kernels beside the ceilings of the machine.
struct KernelReport {
  /// What a variant can multiply at most, by one thread and per second.
  private struct Ceiling {
    let variant: KernelVariant
    let integerProducts: Double
    let floatProducts: Double
  }

  private let threads: Int
  private let rowCounts: [Int]
  private var readBytesPerSecond: (one: Double, all: Double) = (0, 0)
  private var ceilings: [Ceiling] = []
  private var speeds: [KernelSpeed] = []

  init(threads: Int, rowCounts: [Int]) {
    self.threads = threads
    self.rowCounts = rowCounts
  }

  mutating func measureCeilings(_ variants: [KernelVariant], byteCount: Int) throws {
    let host = try HostCeilings(byteCount: byteCount)
    readBytesPerSecond = (
      host.readBytesPerSecond(team: ThreadTeam(threads: 1)),
      host.readBytesPerSecond(team: ThreadTeam(threads: threads))
    )
    ceilings = variants.map { variant in
      let kernels = Kernels(variant: variant, team: ThreadTeam(threads: 1))
      return Ceiling(
        variant: variant, integerProducts: host.integerProductsPerSecond(kernels),
        floatProducts: host.floatProductsPerSecond(kernels))
    }
  }

  mutating func measure(_ format: ElementFormat, _ variant: KernelVariant, byteCount: Int) throws {
    speeds.append(
      try KernelSpeed(
        format, variant, threads: threads, byteCount: byteCount, rowCounts: rowCounts))
  }

  var lines: [String] {
    var table = Table(
      ["format", "kernels", "1 thread", "\(threads) threads"] + rowCounts.map { "\($0) rows" },
      rightAligned: Set(2..<4 + rowCounts.count))
    for speed in speeds {
      table.add(
        [
          speed.format.name, speed.variant.rawValue, giga(speed.memoryBytesPerSecond.one),
          giga(speed.memoryBytesPerSecond.all),
        ] + speed.products.map { giga($0.perSecond) })
    }
    let memory =
      "memory is read at \(giga(readBytesPerSecond.one)) GB/s by one thread, at"
      + " \(giga(readBytesPerSecond.all)) by \(threads)"
    let products = ceilings.map {
      "\($0.variant.rawValue) multiplies at most \(giga($0.integerProducts)) billion 8-bit"
        + " integers or \(giga($0.floatProducts)) billion floats a second by one thread"
    }
    let title =
      "one row from memory, GB/s; some rows from the second-level cache by one thread, billion"
      + " products a second"
    return [memory] + products + ["", title] + table.lines(style: .results)
  }

  private func giga(_ value: Double) -> String { Quantity.number(value / 1e9) }

  var json: JSONText {
    .object([
      ("threads", .integer(threads)),
      (
        "ceilings",
        .object([
          ("readBytesPerSecondOneThread", .number(readBytesPerSecond.one)),
          ("readBytesPerSecond", .number(readBytesPerSecond.all)),
          (
            "kernels",
            .array(
              ceilings.map {
                .object([
                  ("kernels", .string($0.variant.rawValue)),
                  ("integerProductsPerSecond", .number($0.integerProducts)),
                  ("floatProductsPerSecond", .number($0.floatProducts)),
                ])
              })
          ),
        ])
      ),
      ("formats", .array(speeds.map(\.json))),
    ])
  }
}

extension KernelSpeed {
  fileprivate var json: JSONText {
    .object([
      ("format", .string(format.name)), ("kernels", .string(variant.rawValue)),
      ("memoryBytesPerSecondOneThread", .number(memoryBytesPerSecond.one)),
      ("memoryBytesPerSecond", .number(memoryBytesPerSecond.all)),
      (
        "products",
        .array(
          products.map {
            .object([("rows", .integer($0.rows)), ("perSecond", .number($0.perSecond))])
          })
      ),
    ])
  }
}
