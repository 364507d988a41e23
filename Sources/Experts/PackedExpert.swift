internal import Kernels
internal import Tensors

/// The matrices of one expert, ready to multiply.
struct PackedExpert: Sendable {
  let gate: PackedMatrix  // (expertIntermediateSize, hiddenSize)
  let up: PackedMatrix  // (expertIntermediateSize, hiddenSize)
  let down: PackedMatrix  // (hiddenSize, expertIntermediateSize)

  /// Reserves memory for an expert of `layer`.
  init(_ geometry: ExpertGeometry, _ layer: LayerIndex, in arena: WeightArena) throws(KernelError) {
    let formats = geometry.formats(layer)
    func matrix(_ projection: ExpertProjection) throws(KernelError) -> PackedMatrix {
      try PackedMatrix(
        arena: arena, format: formats[projection], rows: geometry.shape.rows(of: projection),
        columns: geometry.shape.columns(of: projection))
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
