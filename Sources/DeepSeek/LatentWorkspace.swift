import Kernels
import Tensors

/// What latent attention computes on its way; one for all layers.
///
/// Query heads in the form of cached rows are wide, so queries are handled in blocks of rows.
final class LatentWorkspace {
  let layout: CacheLayout
  /// Rows of a block.
  let blockRows: Int
  var queryDown: FloatMatrix  // (rows, queryLoraRank)
  var queryDownRows: ActivationRows
  var latent: FloatMatrix  // (rows, kvLoraRank + ropeHeadSize)
  var query: FloatMatrix  // (blockRows, heads · queryHeadSize)
  var queryNopeRows: ActivationRows  // (blockRows, heads · nopeHeadSize)
  var absorbed: FloatMatrix  // (blockRows, heads · queryHeadStride)
  var attention: AttentionPlan
  var context: FloatMatrix  // (blockRows, heads · kvLoraRank)
  var contextRows: ActivationRows
  var heads: FloatMatrix  // (rows, heads · valueHeadSize)
  var headRows: ActivationRows

  private static let mostBlockRows = 64

  /// Makes room for `rows` rows through any of `layers`, which have the same shape.
  init(
    rows: Int, layers: [LatentAttention], shape: LatentAttentionShape, layout: CacheLayout,
    scale: Float
  ) {
    let heads = shape.headCount
    self.layout = layout
    let attentionShape = layout.attentionShape(heads: heads, scale: scale)
    blockRows = min(rows, Self.mostBlockRows)
    let rank = shape.queryLoraRank ?? 0
    queryDown = FloatMatrix(rows: rows, columns: rank)
    queryDownRows = ActivationRows(
      capacity: rows, columns: rank, formats: ActivationFormats(layers.compactMap(\.queryUp)))
    latent = FloatMatrix(rows: rows, columns: shape.kvLoraRank + shape.ropeHeadSize)
    query = FloatMatrix(rows: blockRows, columns: heads * shape.queryHeadSize)
    queryNopeRows = ActivationRows(
      capacity: blockRows, columns: heads * shape.nopeHeadSize,
      formats: ActivationFormats(layers.flatMap(\.keyUp)))
    absorbed = FloatMatrix(rows: blockRows, columns: heads * attentionShape.queryHeadStride)
    attention = AttentionPlan(shape: attentionShape)
    context = FloatMatrix(rows: blockRows, columns: heads * shape.kvLoraRank)
    contextRows = ActivationRows(
      capacity: blockRows, columns: heads * shape.kvLoraRank,
      formats: ActivationFormats(layers.flatMap(\.valueUp)))
    self.heads = FloatMatrix(rows: rows, columns: heads * shape.valueHeadSize)
    headRows = ActivationRows(
      capacity: rows, columns: heads * shape.valueHeadSize,
      formats: ActivationFormats(layers.map(\.output)))
  }
}

extension LatentAttention {
  /// The matrix that takes compressed queries.
  fileprivate var queryUp: PackedMatrix? {
    guard case .compressed(_, _, let up) = query else { return nil }
    return up
  }
}
