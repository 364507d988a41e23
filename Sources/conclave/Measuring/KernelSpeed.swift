import Kernels
import Synthesis
import Tensors

/// How fast one variant multiplies matrices of one format.
struct KernelSpeed {
  let format: ElementFormat
  let variant: KernelVariant
  /// Bytes of weights per second from memory times one row, by one thread and by the team.
  private(set) var memoryBytesPerSecond: (one: Double, all: Double) = (0, 0)
  /// Multiplications per second from the second-level cache by one thread: per row count.
  private(set) var products: [(rows: Int, perSecond: Double)] = []

  static let columns = 2048
  private static let smallByteCount = 192 << 10
  /// A measurement takes at least this long, and the best of some counts.
  private static let shortest = Duration.milliseconds(8)
  private static let runs = 3

  init(
    _ format: ElementFormat, _ variant: KernelVariant, threads: Int, byteCount: Int,
    rowCounts: [Int]
  ) throws {
    self.format = format
    self.variant = variant
    let one = Kernels(variant: variant, team: ThreadTeam(threads: 1))
    let team = Kernels(variant: variant, team: ThreadTeam(threads: threads))
    let large = try Self.matrix(format, byteCount: byteCount, team: team.team)
    memoryBytesPerSecond = (Self.readSpeed(large, one), Self.readSpeed(large, team))
    let small = try Self.matrix(format, byteCount: Self.smallByteCount, team: one.team)
    products = rowCounts.map { ($0, Self.productSpeed(small, rows: $0, one)) }
  }

  /// A matrix of about `byteCount` bytes; all its panels hold the same random rows, which no
  /// kernel can tell.
  static func matrix(
    _ format: ElementFormat, byteCount: Int, team: ThreadTeam
  ) throws -> PackedMatrix {
    let panelRows = PackedMatrix.panelRows
    let bytes = panelBytes(format)
    let panels = max(1, byteCount / bytes.count)
    let matrix = try PackedMatrix(
      arena: WeightArena(), format: format, rows: panels * panelRows, columns: columns)
    team.forEach(panels) { unsafe matrix.pack(rawRows: bytes.span.bytes, at: $0 * panelRows) }
    return matrix
  }

  /// Sixteen rows as they stand in a file.
  private static func panelBytes(_ format: ElementFormat) -> [UInt8] {
    let panelRows = PackedMatrix.panelRows
    let count = panelRows * (format.byteCount(elements: columns) ?? 0)
    if [.q2K, .q3K, .f8E4M3].contains(format) {  // any halves and codes of such bytes are normal
      return SampleTokens.next(count, of: 4).map { 0x28 | UInt8($0) }
    }
    let plan = TensorPlan(
      name: "bench", format: format, shape: [panelRows, columns],
      values: .centred(deviation: 0.02))
    var raw = [UInt8](repeating: 0, count: count)
    var blocks = RandomBlocks(plan, seed: 1)
    blocks.fill(&raw, count: count)
    return raw
  }

  private static func readSpeed(_ matrix: PackedMatrix, _ kernels: Kernels) -> Double {
    let time = time(matrix, rows: 1, kernels, copies: 1)
    return Double(matrix.byteCount) / (time / .seconds(1))
  }

  private static func productSpeed(
    _ matrix: PackedMatrix, rows: Int, _ kernels: Kernels
  ) -> Double {
    let copies = max(1, 8 / rows)
    let time = time(matrix, rows: rows, kernels, copies: copies)
    return Double(matrix.rows * matrix.columns * rows * copies) / (time / .seconds(1))
  }

  /// The shortest time of a plan that multiplies the matrix `copies` times.
  private static func time(
    _ matrix: PackedMatrix, rows: Int, _ kernels: Kernels, copies: Int
  ) -> Duration {
    let x = activations(rows: rows, for: matrix, kernels)
    var out = FloatMatrix(rows: rows, columns: matrix.rows * copies)
    var plan = MatmulPlan()
    for copy in 0..<copies {
      plan.append(matrix, x, rows: 0..<rows, into: &out, outputColumn: copy * matrix.rows)
    }
    kernels.run(&plan)
    var best = Duration.seconds(3600)
    var counted = 0
    var passes = 1
    while counted < runs {
      let time = ContinuousClock().measure { for _ in 0..<passes { kernels.run(&plan) } }
      guard time >= shortest else { passes *= 2; continue }
      best = min(best, time / passes)
      counted += 1
    }
    return best
  }

  static func activations(
    rows: Int, for matrix: PackedMatrix, _ kernels: Kernels
  ) -> EncodedRows {
    var x = FloatMatrix(rows: rows, columns: columns)
    var tokens = SampleTokens()
    for row in 0..<rows {
      let values = tokens.next(columns, of: 2001)
      var target = x.mutableRow(row)
      for column in 0..<columns { target[column] = Float(values[column] - 1000) / 1000 }
    }
    var encoded = EncodedRows(format: matrix.activationFormat, capacity: rows, columns: columns)
    encoded.encode(x, rows: 0..<rows, with: kernels)
    return encoded
  }
}
