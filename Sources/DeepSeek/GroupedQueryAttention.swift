import Kernels
import Tensors

/// Grouped-query attention of one layer of a dense model.
///
/// - Shapes: reads and writes `Stream.normed` and `Stream.output`, tokens × hiddenSize; the cache
///   grows by as many tokens.
/// - Source: Ainslie et al. (arXiv:2305.13245); the Llama architecture.
struct GroupedQueryAttention: Sendable {
  let shape: GroupedQueryShape
  let query: PackedMatrix  // (heads · headSize, hiddenSize)
  let key: PackedMatrix  // (kvHeads · headSize, hiddenSize)
  let value: PackedMatrix  // (kvHeads · headSize, hiddenSize)
  let output: PackedMatrix  // (hiddenSize, heads · headSize)

  /// What `Stream.normed` must be encoded to.
  var inputFormats: ActivationFormats {
    ActivationFormats(query).union(ActivationFormats(key)).union(ActivationFormats(value))
  }

  /// Reserves one layer's matrices.
  init(
    _ loader: inout WeightLoader, layer: Int, shape: GroupedQueryShape, hiddenSize: Int
  ) throws {
    let names = loader.names
    let width = shape.headCount * shape.headSize
    let kvWidth = shape.kvHeadCount * shape.headSize
    self.shape = shape
    query = try loader.matrix(names.query(layer), rows: width, columns: hiddenSize)
    key = try loader.matrix(names.key(layer), rows: kvWidth, columns: hiddenSize)
    value = try loader.matrix(names.value(layer), rows: kvWidth, columns: hiddenSize)
    output = try loader.matrix(names.attentionOutput(layer), rows: hiddenSize, columns: width)
  }

  /// Computes `Stream.output` of all rows of a step and adds their keys and values to the caches.
  func forward(
    _ step: StepBatch, tables: borrowing StepTables, layer: Int, stream: inout Stream,
    workspace w: GroupedQueryWorkspace
  ) {
    let rows = 0..<step.rowCount
    stream.encodeNormed(rows, formats: inputFormats)
    stream.normedRows.multiply(query, rows: rows, into: &w.query, plan: &stream.plan)
    stream.normedRows.multiply(key, rows: rows, into: &w.key, plan: &stream.plan)
    stream.normedRows.multiply(value, rows: rows, into: &w.value, plan: &stream.plan)
    stream.runPlan()
    rotate(&w.query, heads: shape.headCount, rows, tables, stream.kernels)
    rotate(&w.key, heads: shape.kvHeadCount, rows, tables, stream.kernels)
    store(step, layer, stream.kernels, w)
    stream.enter(.attention)
    attend(step, layer, stream.kernels, w)
    stream.enter(.attentionProjections)
    w.headRows.encode(
      w.heads, rows: rows, formats: ActivationFormats(output), with: stream.kernels)
    w.headRows.multiply(output, rows: rows, into: &stream.output, plan: &stream.plan)
    stream.runPlan()
  }

  private func rotate(
    _ matrix: inout FloatMatrix, heads: Int, _ rows: Range<Int>, _ tables: borrowing StepTables,
    _ kernels: Kernels
  ) {
    kernels.rotate(
      &matrix, rows: rows, heads: heads, headStride: shape.headSize, width: shape.headSize,
      positions: tables.rowIndices.span.extracting(rows), cosines: tables.cosines,
      sines: tables.sines, pairs: shape.pairing == .interleaved ? .interleaved : .halfSplit)
  }

  /// Writes keys and values to the caches, and queries to padded heads.
  private func store(
    _ step: StepBatch, _ layer: Int, _ kernels: Kernels, _ w: GroupedQueryWorkspace
  ) {
    let size = shape.headSize
    let kernelShape = w.attention.shape
    for (index, row) in step.rows.enumerated() {
      let place = step.caches[row.sequence].place(layer: layer)
      kernels.store(
        w.key, row: index, stride: size, count: shape.kvHeadCount, width: size, in: place,
        position: row.position, outputStride: kernelShape.keyHeadStride)
      kernels.store(
        w.value, row: index, stride: size, count: shape.kvHeadCount, width: size, in: place,
        position: row.position, outputColumn: kernelShape.valueColumn,
        outputStride: kernelShape.valueHeadStride)
    }
    kernels.copyPieces(
      w.query, rows: 0..<step.rowCount,
      RowPieces(count: shape.headCount, width: size, stride: size), into: &w.paddedQuery,
      outputStride: kernelShape.queryHeadStride)
  }

  private func attend(
    _ step: StepBatch, _ layer: Int, _ kernels: Kernels, _ w: GroupedQueryWorkspace
  ) {
    w.attention.removeAll()
    for (index, row) in step.rows.enumerated() {
      w.attention.append(
        queryRow: index, keys: step.caches[row.sequence].place(layer: layer),
        length: row.position + 1)
    }
    kernels.run(&w.attention, queries: w.paddedQuery, into: &w.heads)
  }
}

/// What grouped-query attention computes on its way; one for all layers.
final class GroupedQueryWorkspace {
  var query: FloatMatrix  // (rows, heads · headSize)
  var key: FloatMatrix  // (rows, kvHeads · headSize)
  var value: FloatMatrix  // (rows, kvHeads · headSize)
  var paddedQuery: FloatMatrix  // (rows, heads · queryHeadStride)
  var attention: AttentionPlan
  var heads: FloatMatrix  // (rows, heads · headSize)
  var headRows: ActivationRows

  /// Makes room for `rows` rows through any of `layers`, which have the same shape.
  init(
    rows: Int, layers: [GroupedQueryAttention], shape: GroupedQueryShape, layout: CacheLayout,
    scale: Float
  ) {
    let width = shape.headCount * shape.headSize
    let kvWidth = shape.kvHeadCount * shape.headSize
    let attentionShape = layout.attentionShape(heads: shape.headCount, scale: scale)
    query = FloatMatrix(rows: rows, columns: width)
    key = FloatMatrix(rows: rows, columns: kvWidth)
    value = FloatMatrix(rows: rows, columns: kvWidth)
    paddedQuery = FloatMatrix(
      rows: rows, columns: shape.headCount * attentionShape.queryHeadStride)
    attention = AttentionPlan(shape: attentionShape)
    heads = FloatMatrix(rows: rows, columns: width)
    headRows = ActivationRows(
      capacity: rows, columns: width, formats: ActivationFormats(layers.map(\.output)))
  }
}
