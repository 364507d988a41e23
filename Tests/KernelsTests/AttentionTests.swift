import Foundation
import Kernels
import Tensors
import Testing

/// Random queries, keys and values for a shape, all of them exact in every format.
private struct Scene: ~Copyable {
  let shape: AttentionShape
  let queries: FloatMatrix  // (rows, heads · queryHeadStride)
  let keys: FloatMatrix  // (positions, keyHeads · keyWidth)
  let values: FloatMatrix  // (positions, keyHeads · valueWidth)

  /// What elements are multiples of.
  static let unit: Float = 1.0 / 64

  init(_ shape: AttentionShape, rows: Int, positions: Int, seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    self.shape = shape
    let stride = shape.queryHeadStride
    queries = FloatMatrix(rows: rows, columns: shape.heads * stride) {
      $1 % stride < shape.keyWidth ? Self.element($1 % stride, &random) : 0
    }
    keys = FloatMatrix(rows: positions, columns: shape.keyHeads * shape.keyWidth) {
      Self.element($1 % shape.keyWidth, &random)
    }
    values = FloatMatrix(rows: positions, columns: shape.keyHeads * shape.valueWidth) {
      Self.element($1 % shape.valueWidth, &random)
    }
  }

  /// The largest code at the start of each block, so that the scale of the block is the unit.
  private static func element(_ column: Int, _ random: inout SeededGenerator) -> Float {
    unit * (column % 32 == 0 ? 127 : Float(Int.random(in: -127...127, using: &random)))
  }

  func run(_ rows: [(row: Int, length: Int)], _ kernels: Kernels) -> FloatMatrix {
    PagedKeys(shape, keys: keys, values: values, kernels: kernels)
      .attend(queries, rows, kernels)
  }

  /// Softmax attention of one head in double precision, and the sum of weights relative to the
  /// largest.
  func exact(row: Int, head: Int, length: Int) -> (mean: [Double], total: Double) {
    let keyHead = head / (shape.heads / shape.keyHeads)
    let scores = (0..<length).map { position in
      (0..<shape.keyWidth).reduce(0.0) {
        $0 + Double(queries.row(row)[head * shape.queryHeadStride + $1])
          * Double(keys.row(position)[keyHead * shape.keyWidth + $1])
      } * Double(shape.scale)
    }
    let most = scores.max() ?? 0
    let weights = scores.map { exp($0 - most) }
    let total = weights.reduce(0, +)
    let mean = (0..<shape.valueWidth).map { column in
      (0..<length).reduce(0.0) {
        $0 + weights[$1] / total * Double(value($1, head: keyHead, column))
      }
    }
    return (mean, total)
  }

  private func value(_ position: Int, head: Int, _ column: Int) -> Float {
    shape.valueColumn == 0
      ? keys.row(position)[column] : values.row(position)[head * shape.valueWidth + column]
  }

  /// What a result may be off by: scores reach 4 · scale · width, and their rounding error moves
  /// weights by as much; int8 values have weights of 14 bits besides, so that each position adds
  /// at most half a step times the largest code.
  func tolerance(length: Int, total: Double) -> Double {
    guard shape.format == .int8 else { return 2e-5 }
    return 2e-5 + Double(length) * 0.5 / 16383 * 127 * Double(Self.unit) / total
  }
}

private let shapes = KVFormat.allCases.flatMap { format in
  [
    AttentionShape(heads: 5, keyWidth: 30, valueWidth: 24, scale: 0.2, format: format),
    AttentionShape(heads: 16, keyWidth: 80, valueWidth: 64, scale: 0.1, format: format),
    AttentionShape(heads: 6, keyHeads: 2, keyWidth: 10, valueWidth: 10, scale: 0.3, format: format),
    AttentionShape(
      heads: 16, keyWidth: 576, valueWidth: 512, scale: 0.01, format: format, valuesAreKeys: true),
    AttentionShape(
      heads: 70, keyWidth: 44, valueWidth: 33, scale: 0.05, format: format, valuesAreKeys: true),
  ]
}

private let oneThread = ThreadTeam(threads: 1)

@Suite struct AttentionTests {
  @Test(arguments: shapes)
  func resultsAreCloseToDoublePrecision(_ shape: AttentionShape) {
    let scene = Scene(shape, rows: 4, positions: 130, seed: 12)
    let rows = [(0, 1), (1, 63), (2, 64), (3, 130)]
    let out = scene.run(rows, Kernels(variant: .best, team: oneThread))
    for (row, length) in rows {
      for head in 0..<shape.heads {
        let (mean, total) = scene.exact(row: row, head: head, length: length)
        let tolerance = scene.tolerance(length: length, total: total)
        for column in mean.indices {
          let result = Double(out.row(row)[head * shape.outputHeadStride + column])
          #expect(abs(result - mean[column]) < tolerance, "row \(row), head \(head), \(column)")
        }
      }
    }
  }

  @Test(arguments: shapes, KernelVariant.available.filter { $0 != .scalar })
  func everyVariantGivesTheBitsOfTheScalarOne(_ shape: AttentionShape, _ variant: KernelVariant) {
    let scene = Scene(shape, rows: 6, positions: 1100, seed: 13)
    let rows = [(0, 1), (1, 17), (2, 64), (3, 200), (4, 1099), (5, 1100)]
    let scalar = scene.run(rows, Kernels(variant: .scalar, team: oneThread))
    let ours = scene.run(rows, Kernels(variant: variant, team: oneThread))
    #expect(ours.bits == scalar.bits)
  }

  @Test(arguments: shapes)
  func aRowDoesNotDependOnOthersNorOnThreads(_ shape: AttentionShape) {
    let scene = Scene(shape, rows: 12, positions: 2500, seed: 14)
    let rows = [
      (0, 2500), (1, 1023), (2, 1024), (3, 1025), (4, 1026), (5, 2047), (6, 2048), (7, 2049),
      (8, 7), (9, 65), (10, 63), (11, 64),
    ]
    let together = scene.run(rows, Kernels(team: ThreadTeam(threads: 2)))
    for pair in rows {
      for threads in [1, 3] {
        let alone = scene.run([pair], Kernels(team: ThreadTeam(threads: threads)))
        #expect(alone.row(pair.0).bits == together.row(pair.0).bits, "row \(pair.0), \(threads)")
      }
    }
  }

  @Test(arguments: shapes)
  func aChunkOfAPromptGivesTheBitsOfItsRowsAlone(_ shape: AttentionShape) {
    let scene = Scene(shape, rows: 75, positions: 1060, seed: 17)
    let rows = (0..<75).map { ($0, 986 + $0) }
    let together = scene.run(rows, Kernels(team: oneThread))
    for pair in rows {
      let alone = scene.run([pair], Kernels(team: oneThread))
      #expect(alone.row(pair.0).bits == together.row(pair.0).bits, "row \(pair.0)")
    }
  }

  @Test(arguments: shapes)
  func whereThePagesLieDoesNotMatter(_ shape: AttentionShape) {
    let scene = Scene(shape, rows: 1, positions: 1100, seed: 18)
    let kernels = Kernels(team: oneThread)
    let contiguous = PagedKeys(
      shape, keys: scene.keys, values: scene.values, kernels: kernels, scattered: false)
    let expected = contiguous.attend(scene.queries, [(0, 1100)], kernels)
    #expect(scene.run([(0, 1100)], kernels).bits == expected.bits)
  }

  @Test(arguments: KVFormat.allCases)
  func splitsMergeToTheSameAttention(_ format: KVFormat) {
    let shape = AttentionShape(
      heads: 2, keyWidth: 16, valueWidth: 16, scale: 0.5, format: format)
    let scene = Scene(shape, rows: 1, positions: 3100, seed: 15)
    for threads in [1, 2] {
      let out = scene.run([(0, 3100)], Kernels(team: ThreadTeam(threads: threads)))
      for head in 0..<2 {
        let (mean, total) = scene.exact(row: 0, head: head, length: 3100)
        let tolerance = scene.tolerance(length: 3100, total: total)
        for column in mean.indices {
          #expect(abs(Double(out.row(0)[head * 16 + column]) - mean[column]) < tolerance)
        }
      }
    }
  }

  @Test(arguments: KVFormat.allCases)
  func latentAttentionReadsValuesFromItsKeys(_ format: KVFormat) {
    let shape = AttentionShape(
      heads: 3, keyWidth: 30, valueWidth: 24, scale: 0.2, format: format, valuesAreKeys: true)
    var apart = shape
    apart.valueColumn = format.padded(30)
    let scene = Scene(shape, rows: 1, positions: 40, seed: 16)
    let values = FloatMatrix(rows: 40, columns: 24) { scene.keys.row($0)[$1] }
    let kernels = Kernels(team: oneThread)
    let expected = PagedKeys(apart, keys: scene.keys, values: values, kernels: kernels)
      .attend(scene.queries, [(0, 40)], kernels)
    // The last block of a value is padded with zeros where that of a key goes on.
    #expect(scene.run([(0, 40)], kernels).bits == expected.bits)
  }

  @Test func aBlockOfCodesIsAsFineAsItsScale() {
    var random = SeededGenerator(seed: 19)
    let shape = AttentionShape(
      heads: 1, keyWidth: 32, valueWidth: 32, scale: 1, format: .int8, valuesAreKeys: true)
    let keys = random.matrix(rows: 1, columns: 32)
    let kernels = Kernels(team: oneThread)
    let out = PagedKeys(shape, keys: keys, values: keys, kernels: kernels)
      .attend(keys, [(0, 1)], kernels)
    let largest = (0..<32).reduce(0) { max($0, abs(keys.row(0)[$1])) }
    for column in 0..<32 {
      #expect(abs(out.row(0)[column] - keys.row(0)[column]) <= 0.51 * largest / 127)
    }
  }
}
