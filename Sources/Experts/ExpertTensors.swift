internal import ModelFiles
internal import Tensors

/// Where one projection of all experts of a layer lies in the model's files.
enum ExpertTensors: Sendable {
  /// Expert e starts `firstByte + e · stride` bytes into one tensor.
  case stack(TensorRecord, firstByte: Int, stride: Int)
  /// Each expert has a tensor, and for FP8 one more with its scales.
  case separate(weights: [TensorRecord], scales: [TensorRecord])

  /// How the matrices are stored.
  var format: ElementFormat {
    switch self {
    case .stack(let tensor, _, _): tensor.format
    case .separate(let weights, _): weights.first?.format ?? .f32
    }
  }

  /// The tensor and the place in it where the bytes of `expert` start.
  func place(_ expert: Int, _ part: ExpertSegment.Part) -> (tensor: TensorRecord, byte: Int) {
    switch (self, part) {
    case (.stack(let tensor, let firstByte, let stride), _):
      (tensor, firstByte + expert * stride)
    case (.separate(let weights, _), .weights): (weights[expert], 0)
    case (.separate(_, let scales), .scales): (scales[expert], 0)
    }
  }
}

/// Finds the expert tensors of one layer and checks their shapes.
struct ExpertTensorFinder {
  typealias Found = (gate: ExpertTensors, up: ExpertTensors, down: ExpertTensors)

  let archive: ModelArchive
  let shape: ExpertShape

  /// Gate, up and down of `layer`, in whichever form the archive has them.
  func find(_ layer: LayerIndex) throws(ExpertError) -> Found {
    switch archive.container {
    case .huggingFace:
      return try separate(layer)
    case .gguf:
      let merged = archive.tensor(named: ExpertWeightNames.gateUpStack(layer))
      guard let merged else { return try stacks(layer) }
      return try halves(of: merged, layer)
    }
  }

  /// Gate, up and down of the shared experts of `layer`, which are one network of that width.
  func findShared(_ layer: LayerIndex, width: Int) throws(ExpertError) -> Found {
    func find(_ projection: ExpertProjection) throws(ExpertError) -> ExpertTensors {
      let (rows, columns) =
        projection == .down ? (shape.hiddenSize, width) : (width, shape.hiddenSize)
      let name =
        switch archive.container {
        case .huggingFace: ExpertWeightNames.sharedMatrix(layer, projection)
        case .gguf: ExpertWeightNames.shared(layer, projection)
        }
      let matrix = try tensor(name, shape: [rows, columns])
      guard matrix.format.hasBlockScales else {
        return .separate(weights: [matrix], scales: [])
      }
      return .separate(
        weights: [matrix],
        scales: [try scales(ExpertWeightNames.scales(name), rows: rows, columns: columns)])
    }
    return (try find(.gate), try find(.up), try find(.down))
  }

  private func stacks(_ layer: LayerIndex) throws(ExpertError) -> Found {
    (try stack(layer, .gate), try stack(layer, .up), try stack(layer, .down))
  }

  private func stack(
    _ layer: LayerIndex, _ projection: ExpertProjection
  ) throws(ExpertError) -> ExpertTensors {
    let rows = shape.rows(of: projection)
    let tensor = try tensor(
      ExpertWeightNames.stack(layer, projection),
      shape: [shape.expertCount, rows, shape.columns(of: projection)])
    return .stack(tensor, firstByte: 0, stride: rows * tensor.rowByteCount)
  }

  private func halves(
    of merged: TensorRecord, _ layer: LayerIndex
  ) throws(ExpertError) -> Found {
    let rows = shape.expertIntermediateSize
    try check(merged, [shape.expertCount, 2 * rows, shape.hiddenSize])
    let half = rows * merged.rowByteCount
    return (
      .stack(merged, firstByte: 0, stride: 2 * half),
      .stack(merged, firstByte: half, stride: 2 * half),
      try stack(layer, .down)
    )
  }

  private func separate(_ layer: LayerIndex) throws(ExpertError) -> Found {
    (try separate(layer, .gate), try separate(layer, .up), try separate(layer, .down))
  }

  private func separate(
    _ layer: LayerIndex, _ projection: ExpertProjection
  ) throws(ExpertError) -> ExpertTensors {
    var weights: [TensorRecord] = []
    var scales: [TensorRecord] = []
    for expert in 0..<shape.expertCount {
      let matrix = try matrix(layer, expert, projection, like: weights.first)
      weights.append(matrix)
      guard matrix.format.hasBlockScales else { continue }
      scales.append(
        try self.scales(
          ExpertWeightNames.scales(matrix.name), rows: shape.rows(of: projection),
          columns: shape.columns(of: projection)))
    }
    return .separate(weights: weights, scales: scales)
  }

  private func matrix(
    _ layer: LayerIndex, _ expert: Int, _ projection: ExpertProjection, like first: TensorRecord?
  ) throws(ExpertError) -> TensorRecord {
    let matrix = try tensor(
      ExpertWeightNames.matrix(layer, expert, projection),
      shape: [shape.rows(of: projection), shape.columns(of: projection)])
    guard let first, first.format != matrix.format else { return matrix }
    throw ExpertError(
      .tensor,
      "\(archive.path): tensor \(matrix.name) is \(matrix.format.name), that of expert 0 is "
        + "\(first.format.name); experts of one layer must be stored alike, convert the model again"
    )
  }

  private func scales(
    _ name: String, rows: Int, columns: Int
  ) throws(ExpertError) -> TensorRecord {
    let tensor = try tensor(name, shape: [(rows + 127) / 128, (columns + 127) / 128])
    guard tensor.format == .f32 else {
      throw ExpertError(
        .tensor,
        "\(archive.path): tensor \(tensor.name) is \(tensor.format.name), block scales must be "
          + "F32; download the model again")
    }
    return tensor
  }

  private func tensor(_ name: String, shape: [Int]) throws(ExpertError) -> TensorRecord {
    guard let tensor = archive.tensor(named: name) else {
      throw ExpertError(
        .tensor,
        "\(archive.path): tensor \(name) is missing; the file is incomplete or of another "
          + "architecture, download or convert it again")
    }
    try check(tensor, shape)
    return tensor
  }

  private func check(_ tensor: TensorRecord, _ shape: [Int]) throws(ExpertError) {
    guard tensor.shape != shape else { return }
    throw ExpertError(
      .tensor,
      "\(archive.path): tensor \(tensor.name) has shape \(tensor.shape), the configuration says "
        + "\(shape); convert the model again")
  }
}
