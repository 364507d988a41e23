import Kernels
import Tensors

/// Absorbed multi-head latent attention of one layer.
///
/// Keys are never expanded: the key half of the up projection is applied to the query, the value
/// half to the output, and every head attends to the same cached row.
///
/// - Shapes: reads and writes `Stream.normed` and `Stream.output`, tokens × hiddenSize; the cache
///   grows by as many tokens.
/// - Source: DeepSeek-V2 (arXiv:2405.04434) §2.1.2-2.1.3.
struct LatentAttention: Sendable {
  /// How queries come from the stream.
  enum QueryProjection: Sendable {
    case direct(PackedMatrix)
    case compressed(down: PackedMatrix, norm: [Float], up: PackedMatrix)
  }

  let shape: LatentAttentionShape
  let epsilon: Float
  let query: QueryProjection
  let latent: PackedMatrix  // (kvLoraRank + ropeHeadSize, hiddenSize)
  let latentNorm: [Float]  // (kvLoraRank)
  let keyUp: [PackedMatrix]  // per head (kvLoraRank, nopeHeadSize), all taking the same format
  let valueUp: [PackedMatrix]  // per head (valueHeadSize, kvLoraRank), likewise
  let output: PackedMatrix  // (hiddenSize, heads · valueHeadSize)

  /// What `Stream.normed` must be encoded to.
  var inputFormats: ActivationFormats {
    switch query {
    case .direct(let matrix): ActivationFormats(matrix).union(ActivationFormats(latent))
    case .compressed(let down, _, _): ActivationFormats(down).union(ActivationFormats(latent))
    }
  }

  /// Computes `Stream.output` of all rows of a step and adds their keys to the caches.
  ///
  /// All rows attend in the absorbed form, prefill too: a row must get the same bits whether it
  /// comes in a chunk of a prompt or alone.
  func forward(
    _ step: StepBatch, tables: borrowing StepTables, layer: Int, stream: inout Stream,
    workspace: LatentWorkspace
  ) {
    let rows = 0..<step.rowCount
    stream.encodeNormed(rows, formats: inputFormats)
    projectDown(rows, &stream, workspace)
    storeKeys(step, tables, layer, stream.kernels, workspace)
    for start in stride(from: 0, to: step.rowCount, by: workspace.blockRows) {
      let block = start..<min(start + workspace.blockRows, step.rowCount)
      projectQueries(block, tables, &stream, workspace)
      absorbQueries(block, &stream, workspace)
      stream.enter(.attention)
      attend(block, step, layer, stream.kernels, workspace)
      stream.enter(.attentionProjections)
      expandValues(block, &stream, workspace)
    }
    workspace.headRows.encode(
      workspace.heads, rows: rows, formats: ActivationFormats(output), with: stream.kernels)
    workspace.headRows.multiply(output, rows: rows, into: &stream.output, plan: &stream.plan)
    stream.runPlan()
  }

  /// Latent vectors with rope keys, and compressed queries, which share their input.
  private func projectDown(_ rows: Range<Int>, _ stream: inout Stream, _ w: LatentWorkspace) {
    stream.normedRows.multiply(latent, rows: rows, into: &w.latent, plan: &stream.plan)
    if case .compressed(let down, _, _) = query {
      stream.normedRows.multiply(down, rows: rows, into: &w.queryDown, plan: &stream.plan)
    }
    stream.runPlan()
    guard case .compressed(_, let norm, let up) = query else { return }
    stream.kernels.rmsNormInPlace(
      &w.queryDown, rows: rows, weight: norm.span, epsilon: epsilon)
    w.queryDownRows.encode(
      w.queryDown, rows: rows, formats: ActivationFormats(up), with: stream.kernels)
  }

  /// Norms the latent part only, rotates the key part only, and caches both.
  private func storeKeys(
    _ step: StepBatch, _ tables: borrowing StepTables, _ layer: Int, _ kernels: Kernels,
    _ w: LatentWorkspace
  ) {
    let rank = shape.kvLoraRank
    let rows = 0..<step.rowCount
    kernels.rmsNormInPlace(
      &w.latent, rows: rows, columns: 0..<rank, weight: latentNorm.span, epsilon: epsilon)
    kernels.rotate(
      &w.latent, rows: rows, columnOffset: rank, width: shape.ropeHeadSize,
      positions: tables.rowIndices.span.extracting(rows), cosines: tables.cosines,
      sines: tables.sines, pairs: .interleaved)
    for index in rows {
      let row = step.rows[index]
      let place = step.caches[row.sequence].place(layer: layer)
      kernels.store(
        w.latent, row: index, stride: rank, width: rank, in: place, position: row.position)
      kernels.store(
        w.latent, row: index, column: rank, stride: shape.ropeHeadSize,
        width: shape.ropeHeadSize, in: place, position: row.position,
        outputColumn: w.layout.ropeOffset)
    }
  }

  /// Queries of a block, their rope parts rotated.
  private func projectQueries(
    _ block: Range<Int>, _ tables: borrowing StepTables, _ stream: inout Stream,
    _ w: LatentWorkspace
  ) {
    switch query {
    case .direct(let matrix):
      stream.normedRows.multiply(matrix, rows: block, into: &w.query, plan: &stream.plan)
    case .compressed(_, _, let up):
      w.queryDownRows.multiply(up, rows: block, into: &w.query, plan: &stream.plan)
    }
    stream.runPlan()
    stream.kernels.rotate(
      &w.query, rows: 0..<block.count, columnOffset: shape.nopeHeadSize, heads: shape.headCount,
      headStride: shape.queryHeadSize, width: shape.ropeHeadSize,
      positions: tables.rowIndices.span.extracting(block), cosines: tables.cosines,
      sines: tables.sines, pairs: .interleaved)
  }

  /// Query heads in the form of cached rows: key up projection transposed, then the rope part.
  private func absorbQueries(
    _ block: Range<Int>, _ stream: inout Stream, _ w: LatentWorkspace
  ) {
    let rows = 0..<block.count
    let stride = w.attention.shape.queryHeadStride
    let nope = RowPieces(
      count: shape.headCount, width: shape.nopeHeadSize, stride: shape.queryHeadSize)
    let rope = RowPieces(
      column: shape.nopeHeadSize, count: shape.headCount, width: shape.ropeHeadSize,
      stride: shape.queryHeadSize)
    stream.kernels.copyPieces(
      w.query, rows: rows, rope, into: &w.absorbed, outputColumn: w.layout.ropeOffset,
      outputStride: stride)
    w.queryNopeRows.encode(
      w.query, rows: rows, pieces: nope, formats: ActivationFormats(keyUp[0]),
      with: stream.kernels)
    for (head, matrix) in keyUp.enumerated() {
      w.queryNopeRows.multiply(
        matrix, rows: rows, column: head * shape.nopeHeadSize, into: &w.absorbed,
        outputColumn: head * stride, plan: &stream.plan)
    }
    stream.runPlan()
  }

  /// Each head's mean of the cached latent vectors.
  private func attend(
    _ block: Range<Int>, _ step: StepBatch, _ layer: Int, _ kernels: Kernels,
    _ w: LatentWorkspace
  ) {
    w.attention.removeAll()
    for index in block {
      let row = step.rows[index]
      w.attention.append(
        queryRow: index - block.lowerBound,
        keys: step.caches[row.sequence].place(layer: layer), length: row.position + 1)
    }
    kernels.run(&w.attention, queries: w.absorbed, into: &w.context)
  }

  private func expandValues(
    _ block: Range<Int>, _ stream: inout Stream, _ w: LatentWorkspace
  ) {
    let rows = 0..<block.count
    w.contextRows.encode(
      w.context, rows: rows, formats: ActivationFormats(valueUp[0]), with: stream.kernels)
    for (head, matrix) in valueUp.enumerated() {
      w.contextRows.multiply(
        matrix, rows: rows, column: head * shape.kvLoraRank, into: &w.heads,
        outputRow: block.lowerBound, outputColumn: head * shape.valueHeadSize, plan: &stream.plan)
    }
    stream.runPlan()
  }
}
