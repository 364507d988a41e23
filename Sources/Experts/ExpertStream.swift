public import Tensors

/// A run of equal rows in the byte stream of one expert.
public struct ExpertSegment: Sendable, Hashable {
  /// What the rows are.
  public enum Part: Sendable {
    /// Rows of the projection as the file stores them.
    case weights
    /// Rows of float32 block scales, one per 128 × 128 elements (FP8 only).
    case scales
  }

  /// The matrix.
  public let projection: ExpertProjection
  /// Its weights or its scales.
  public let part: Part
  /// Where the rows start, from the start of the expert.
  public let offset: Int
  /// Rows.
  public let rowCount: Int
  /// Bytes of a row.
  public let rowByteCount: Int

  /// Bytes of all rows.
  public var byteCount: Int { rowCount * rowByteCount }
  /// The segment's bytes, counted from the start of the expert.
  public var range: Range<Int> { offset..<offset + byteCount }
}

/// The byte stream of one expert of a layer; the stream of a group is its experts' in order.
public struct ExpertLayout: Sendable, Hashable {
  /// Gate, up and down, each followed by its block scales if it has any.
  public let segments: [ExpertSegment]
  /// Bytes of one expert.
  public let byteCount: Int

  /// The segment that holds byte `offset` of the expert.
  func segment(at offset: Int) -> ExpertSegment {
    var index = segments.count - 1
    while index > 0, segments[index].offset > offset { index -= 1 }
    return segments[index]
  }
}

extension ExpertGeometry {
  /// How the bytes of one expert of a group of `layer` follow one another.
  public func layout(_ layer: LayerIndex, _ group: GroupIndex) -> ExpertLayout {
    let formats = formats(layer, group)
    var segments: [ExpertSegment] = []
    var end = 0
    func append(
      _ projection: ExpertProjection, _ part: ExpertSegment.Part, rows: Int, bytes: Int
    ) {
      segments.append(
        ExpertSegment(
          projection: projection, part: part, offset: end, rowCount: rows, rowByteCount: bytes))
      end += rows * bytes
    }
    for projection in ExpertProjection.allCases {
      let (rows, columns) = (rows(of: projection, group), columns(of: projection, group))
      let format = formats[projection]
      // Never nil: the initialiser has checked that rows are whole blocks.
      append(projection, .weights, rows: rows, bytes: format.byteCount(elements: columns) ?? 0)
      if format.hasBlockScales {
        append(projection, .scales, rows: (rows + 127) / 128, bytes: (columns + 127) / 128 * 4)
      }
    }
    return ExpertLayout(segments: segments, byteCount: end)
  }

  /// Bytes of the stream of (`layer`, `group`), as a file stores them.
  public func byteCount(_ layer: LayerIndex, _ group: GroupIndex) -> Int {
    layout(layer, group).byteCount * experts(in: group).count
  }

  /// Bytes of all routed experts of all layers, as a file stores them.
  public var routedByteCount: Int {
    layers.reduce(0) { $0 + layout($1, GroupIndex(0)).byteCount * expertCount }
  }

  /// Bytes of the shared experts of all layers, as a file stores them; 0 when workers hold none.
  public var sharedByteCount: Int {
    guard let sharedGroup else { return 0 }
    return layers.reduce(0) { $0 + byteCount($1, sharedGroup) }
  }

  /// Bytes of everything that workers hold, as a file stores it.
  public var byteCount: Int { routedByteCount + sharedByteCount }
}

extension ElementFormat {
  /// Whether a matrix of this format has a tensor of scales beside it.
  public var hasBlockScales: Bool { self == .f8E4M3 }
}
