import Kernels
import Tensors

/// How fast the kernels attend to a latent cache of 512 + 64 elements per position.
struct AttentionSpeed {
  let format: KVFormat
  let heads: Int
  /// Positions that the last row sees.
  let context: Int
  /// Consecutive rows of one sequence: 1 for decode, more for a chunk of a prompt.
  let rows: Int
  /// Of all rows and heads, in one layer; the fastest run.
  let seconds: Double

  private static let rank = 512
  private static let ropeSize = 64

  /// Fills a cache with random numbers and attends to it for about `duration`.
  init(
    _ format: KVFormat, heads: Int, context: Int, rows: Int, kernels: Kernels, duration: Duration
  ) throws {
    self.format = format
    self.heads = heads
    self.context = context
    self.rows = min(rows, context)
    let shape = AttentionShape(
      heads: heads, keyWidth: Self.rank + Self.ropeSize, valueWidth: Self.rank, scale: 0.05,
      format: format, valuesAreKeys: true)
    let place = try Self.cache(shape, positions: context, kernels)
    var random = SampleNumbers()
    let queries = FloatMatrix(rows: self.rows, columns: heads * shape.queryHeadStride, &random)
    var out = FloatMatrix(rows: self.rows, columns: heads * Self.rank)
    var plan = AttentionPlan(shape: shape)
    for row in 0..<self.rows {
      plan.append(queryRow: row, keys: place, length: context - self.rows + 1 + row)
    }
    let clock = ContinuousClock()
    let start = clock.now
    var fastest = Duration.seconds(1000)
    repeat {
      let elapsed = clock.measure { kernels.run(&plan, queries: queries, into: &out) }
      fastest = min(fastest, elapsed)
    } while clock.now - start < duration
    seconds = fastest / .seconds(1)
  }

  private static func cache(
    _ shape: AttentionShape, positions: Int, _ kernels: Kernels
  ) throws -> KVPlace {
    let tile = KVTile(format: shape.format, columns: shape.columns)
    let pages = (positions + KVTile.positions - 1) / KVTile.positions
    guard let memory = PageMemory(pageCount: pages, pageByteCount: tile.byteCount) else {
      throw CommandFailure("no memory for a cache of \(positions) positions; use shorter contexts")
    }
    let table = PageTable(capacity: pages)
    for page in 0..<pages { table.append(Int32(page)) }
    let place = KVPlace(memory: memory, table: table, tile: tile, byteOffset: 0)
    var random = SampleNumbers()
    let rows = FloatMatrix(rows: 61, columns: shape.keyWidth, &random)
    for position in 0..<positions {
      kernels.store(
        rows, row: position % rows.rows, stride: shape.keyWidth, width: shape.keyWidth, in: place,
        position: position)
    }
    return place
  }

  /// Positions of all rows, times heads.
  private var positionHeads: Double {
    Double(rows) * (Double(context) - Double(rows - 1) / 2) * Double(heads)
  }

  /// What one head of one row takes for one position.
  var nanosecondsPerPositionHead: Double { seconds / positionHeads * 1e9 }

  /// Multiplications and additions of scores and values, as if all were done in floats.
  var operationsPerSecond: Double {
    2 * Double(2 * Self.rank + Self.ropeSize) * positionHeads / seconds
  }

  /// Bytes of the cache that a pass reads at least.
  var bytesPerSecond: Double {
    let columns = format.padded(Self.rank + Self.ropeSize)
    let tile = KVTile(format: format, columns: columns)
    return Double(tile.byteCount / KVTile.positions * context) / seconds
  }
}

/// Even numbers from −1 to 1, the same every time.
private struct SampleNumbers {
  private var state: UInt64 = 1

  mutating func next() -> Float {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Float(Int32(truncatingIfNeeded: state >> 32)) * 0x1p-31
  }
}

extension FloatMatrix {
  fileprivate init(rows: Int, columns: Int, _ random: inout SampleNumbers) {
    self.init(rows: rows, columns: columns)
    for row in 0..<rows {
      var span = mutableRow(row)
      for column in 0..<columns { span[column] = random.next() }
    }
  }
}
