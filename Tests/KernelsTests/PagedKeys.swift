import Kernels
import Tensors

/// Keys and values of one sequence in pages that lie in an order of their own.
final class PagedKeys {
  let shape: AttentionShape
  private let place: KVPlace

  /// Stores every row of `keys` and, unless they are the same, of `values`; heads without padding.
  init(
    _ shape: AttentionShape, keys: borrowing FloatMatrix, values: borrowing FloatMatrix,
    kernels: Kernels, scattered: Bool = true
  ) {
    self.shape = shape
    let tile = KVTile(format: shape.format, columns: shape.columns)
    let count = (keys.rows + KVTile.positions - 1) / KVTile.positions
    guard let memory = PageMemory(pageCount: 2 * count + 1, pageByteCount: 3 * tile.byteCount)
    else { preconditionFailure("no memory for a test") }
    let table = PageTable(capacity: count)
    // Every other page, from the end: what stands between must not matter.
    for index in 0..<count {
      table.append(Int32(scattered ? 2 * (count - index) : index))
      if scattered { memory.clear(2 * (count - index)) }
    }
    place = KVPlace(memory: memory, table: table, tile: tile, byteOffset: tile.byteCount)
    for position in 0..<keys.rows {
      kernels.store(
        keys, row: position, stride: shape.keyWidth, count: shape.keyHeads, width: shape.keyWidth,
        in: place, position: position, outputStride: shape.keyHeadStride)
      if shape.valueColumn == 0 { continue }
      kernels.store(
        values, row: position, stride: shape.valueWidth, count: shape.keyHeads,
        width: shape.valueWidth, in: place, position: position, outputColumn: shape.valueColumn,
        outputStride: shape.valueHeadStride)
    }
  }

  /// Attention of some rows of `queries`, each to its first `length` positions.
  func attend(
    _ queries: borrowing FloatMatrix, _ rows: [(row: Int, length: Int)], _ kernels: Kernels
  ) -> FloatMatrix {
    var plan = AttentionPlan(shape: shape)
    for (row, length) in rows { plan.append(queryRow: row, keys: place, length: length) }
    var out = FloatMatrix(rows: queries.rows, columns: shape.heads * shape.outputHeadStride)
    kernels.run(&plan, queries: queries, into: &out)
    return out
  }
}
