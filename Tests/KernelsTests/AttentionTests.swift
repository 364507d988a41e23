import Foundation
import Kernels
import Tensors
import Testing

/// Random queries and a cache for a shape.
private struct Scene: ~Copyable {
  let shape: AttentionShape
  var queries: FloatMatrix
  var keys: FloatMatrix
  var values: FloatMatrix

  init(_ shape: AttentionShape, rows: Int, positions: Int, seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    self.shape = shape
    queries = FloatMatrix(rows: rows, columns: shape.heads * shape.queryHeadStride) {
      $1 % shape.queryHeadStride < shape.keyWidth ? Float.random(in: -2...2, using: &random) : 0
    }
    keys = FloatMatrix(rows: positions, columns: shape.keyHeads * shape.keyHeadStride) {
      $1 % shape.keyHeadStride < shape.keyWidth ? Float.random(in: -2...2, using: &random) : 0
    }
    values = random.matrix(rows: positions, columns: shape.keyHeads * shape.valueHeadStride)
  }

  func run(_ rows: [(row: Int, length: Int)], _ kernels: Kernels) -> FloatMatrix {
    var plan = AttentionPlan(shape: shape)
    for (row, length) in rows {
      plan.append(queryRow: row, keys: keys, values: values, length: length)
    }
    var out = FloatMatrix(rows: queries.rows, columns: shape.heads * shape.outputHeadStride)
    kernels.run(&plan, queries: queries, into: &out)
    return out
  }

  /// Softmax attention of one head in double precision.
  func exact(row: Int, head: Int, length: Int) -> [Double] {
    let keyHead = head / (shape.heads / shape.keyHeads)
    let scores = (0..<length).map { position in
      (0..<shape.keyWidth).reduce(0.0) {
        $0 + Double(queries.row(row)[head * shape.queryHeadStride + $1])
          * Double(keys.row(position)[keyHead * shape.keyHeadStride + $1])
      } * Double(shape.scale)
    }
    let most = scores.max() ?? 0
    let weights = scores.map { exp($0 - most) }
    let total = weights.reduce(0, +)
    return (0..<shape.valueWidth).map { column in
      (0..<length).reduce(0.0) {
        $0 + weights[$1] / total
          * Double(values.row($1)[keyHead * shape.valueHeadStride + column])
      }
    }
  }
}

private let shapes = [
  AttentionShape(heads: 5, keyWidth: 30, valueWidth: 24, scale: 0.2),
  AttentionShape(heads: 16, keyWidth: 80, valueWidth: 64, scale: 0.1),
  AttentionShape(heads: 6, keyHeads: 2, keyWidth: 10, valueWidth: 10, scale: 0.3),
]

@Suite struct AttentionTests {
  @Test(arguments: shapes)
  func resultsAreCloseToDoublePrecision(_ shape: AttentionShape) {
    let scene = Scene(shape, rows: 4, positions: 130, seed: 12)
    let rows = [(0, 1), (1, 63), (2, 64), (3, 130)]
    let out = scene.run(rows, Kernels(variant: .scalar, team: ThreadTeam(threads: 1)))
    for (row, length) in rows {
      for head in 0..<shape.heads {
        let exact = scene.exact(row: row, head: head, length: length)
        for column in exact.indices {
          let result = Double(out.row(row)[head * shape.outputHeadStride + column])
          // Scores reach 4 · scale · width; their rounding error moves weights by as much.
          #expect(abs(result - exact[column]) < 2e-5, "row \(row), head \(head), \(column)")
        }
      }
    }
  }

  @Test(arguments: shapes, KernelVariant.available.filter { $0 != .scalar })
  func everyVariantGivesTheBitsOfTheScalarOne(_ shape: AttentionShape, _ variant: KernelVariant) {
    let scene = Scene(shape, rows: 5, positions: 1100, seed: 13)
    let rows = [(0, 1), (1, 17), (2, 64), (3, 200), (4, 1100)]
    let scalar = scene.run(rows, Kernels(variant: .scalar, team: ThreadTeam(threads: 1)))
    let ours = scene.run(rows, Kernels(variant: variant, team: ThreadTeam(threads: 1)))
    #expect(ours.bits == scalar.bits)
  }

  @Test func aRowDoesNotDependOnOthersNorOnThreads() {
    let scene = Scene(shapes[1], rows: 6, positions: 2500, seed: 14)
    let rows = [(0, 2500), (1, 1024), (2, 1025), (3, 2048), (4, 7), (5, 65)]
    let together = scene.run(rows, Kernels(team: ThreadTeam(threads: 2)))
    for pair in rows {
      let alone = scene.run([pair], Kernels(team: ThreadTeam(threads: 1)))
      #expect(alone.row(pair.0).bits == together.row(pair.0).bits, "row \(pair.0)")
    }
  }

  @Test func splitsMergeToTheSameAttention() {
    let shape = AttentionShape(heads: 2, keyWidth: 16, valueWidth: 16, scale: 0.5)
    let scene = Scene(shape, rows: 1, positions: 3100, seed: 15)
    let out = scene.run([(0, 3100)], Kernels(team: ThreadTeam(threads: 1)))
    for head in 0..<2 {
      let exact = scene.exact(row: 0, head: head, length: 3100)
      for column in exact.indices {
        #expect(abs(Double(out.row(0)[head * 16 + column]) - exact[column]) < 2e-5)
      }
    }
  }

  @Test func latentAttentionReadsValuesFromItsKeys() {
    var random = SeededGenerator(seed: 16)
    let shape = AttentionShape(heads: 3, keyWidth: 30, valueWidth: 24, scale: 0.2)
    let cache = random.matrix(rows: 40, columns: 30)
    let values = FloatMatrix(rows: 40, columns: 32) { $1 < 24 ? cache.row($0)[$1] : 0 }
    let queries = FloatMatrix(rows: 1, columns: 96) { _, column in
      column % 32 < 30 ? Float.random(in: -1...1, using: &random) : 0
    }
    let kernels = Kernels(team: ThreadTeam(threads: 1))
    var shared = FloatMatrix(rows: 1, columns: 72)
    var apart = FloatMatrix(rows: 1, columns: 72)
    var plan = AttentionPlan(shape: shape)
    plan.append(queryRow: 0, keys: cache, values: cache, length: 40)
    kernels.run(&plan, queries: queries, into: &shared)
    plan.removeAll()
    plan.append(queryRow: 0, keys: cache, values: values, length: 40)
    kernels.run(&plan, queries: queries, into: &apart)
    #expect(shared.bits == apart.bits)
  }
}
