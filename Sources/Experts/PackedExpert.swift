internal import Kernels
internal import Tensors

/// The matrices of one expert, ready to multiply.
struct PackedExpert: Sendable {
  let gate: PackedMatrix  // (intermediateSize, hiddenSize)
  let up: PackedMatrix  // (intermediateSize, hiddenSize)
  let down: PackedMatrix  // (hiddenSize, intermediateSize)

  /// Reserves memory for an expert of (`layer`, `group`).
  init(
    _ geometry: ExpertGeometry, _ layer: LayerIndex, _ group: GroupIndex, in arena: WeightArena
  ) throws(KernelError) {
    let formats = geometry.formats(layer, group)
    func matrix(_ projection: ExpertProjection) throws(KernelError) -> PackedMatrix {
      try PackedMatrix(
        arena: arena, format: formats[projection], rows: geometry.rows(of: projection, group),
        columns: geometry.columns(of: projection, group))
    }
    gate = try matrix(.gate)
    up = try matrix(.up)
    down = try matrix(.down)
  }

  subscript(_ projection: ExpertProjection) -> PackedMatrix {
    switch projection {
    case .gate: gate
    case .up: up
    case .down: down
    }
  }

  var byteCount: Int { gate.byteCount + up.byteCount + down.byteCount }
}
