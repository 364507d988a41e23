import Kernels
import ModelFiles

extension LatentAttention {
  /// Reserves one layer's matrices.
  init(
    _ loader: inout WeightLoader, layer: Int, shape: LatentAttentionShape, hiddenSize: Int,
    epsilon: Float
  ) throws {
    let names = loader.names
    self.shape = shape
    self.epsilon = epsilon
    query = try QueryProjection(&loader, layer: layer, shape: shape, hiddenSize: hiddenSize)
    latent = try loader.matrix(
      names.latent(layer), rows: shape.kvLoraRank + shape.ropeHeadSize, columns: hiddenSize)
    latentNorm = try loader.vector(names.latentNorm(layer), count: shape.kvLoraRank)
    (keyUp, valueUp) = try Self.upProjections(&loader, layer: layer, shape: shape)
    output = try loader.matrix(
      names.attentionOutput(layer), rows: hiddenSize,
      columns: shape.headCount * shape.valueHeadSize)
  }

  /// The key and value halves, head by head; the key half transposed.
  private static func upProjections(
    _ loader: inout WeightLoader, layer: Int, shape: LatentAttentionShape
  ) throws -> (keyUp: [PackedMatrix], valueUp: [PackedMatrix]) {
    let names = loader.names
    if let keyName = names.keyUpTransposed(layer), let valueName = names.valueUp(layer),
      loader.has(keyName)
    {
      return (
        try loader.headMatrices(
          keyName, heads: shape.headCount, rows: shape.kvLoraRank, columns: shape.nopeHeadSize),
        try loader.headMatrices(
          valueName, heads: shape.headCount, rows: shape.valueHeadSize, columns: shape.kvLoraRank)
      )
    }
    let rows = shape.nopeHeadSize + shape.valueHeadSize
    let both = try loader.tensor(
      names.keyValueUp(layer), shape: [shape.headCount * rows, shape.kvLoraRank])
    var keyUp: [PackedMatrix] = []
    var valueUp: [PackedMatrix] = []
    for head in 0..<shape.headCount {
      let middle = head * rows + shape.nopeHeadSize
      keyUp.append(try loader.transposedMatrix(both, rows: head * rows..<middle))
      valueUp.append(try loader.matrix(both, rows: middle..<(head + 1) * rows))
    }
    return (keyUp, valueUp)
  }
}

extension LatentAttention.QueryProjection {
  fileprivate init(
    _ loader: inout WeightLoader, layer: Int, shape: LatentAttentionShape, hiddenSize: Int
  ) throws {
    let names = loader.names
    let width = shape.headCount * shape.queryHeadSize
    guard let rank = shape.queryLoraRank else {
      self = .direct(
        try loader.matrix(names.query(layer), rows: width, columns: hiddenSize))
      return
    }
    self = .compressed(
      down: try loader.matrix(names.queryDown(layer), rows: rank, columns: hiddenSize),
      norm: try loader.vector(names.queryDownNorm(layer), count: rank),
      up: try loader.matrix(names.queryUp(layer), rows: width, columns: rank))
  }
}

extension WeightLoader {
  /// A stack of one matrix per head, stored with three dimensions or, by some converters, two.
  fileprivate mutating func headMatrices(
    _ name: String, heads: Int, rows: Int, columns: Int
  ) throws -> [PackedMatrix] {
    let tensor = try tensor(name)
    guard tensor.shape == [heads, rows, columns] || tensor.shape == [heads * rows, columns] else {
      throw ModelError.badShape(
        file: archive.path, name: name, shape: tensor.shape, expected: [heads, rows, columns])
    }
    var matrices: [PackedMatrix] = []
    for head in 0..<heads {
      matrices.append(try matrix(tensor, rows: head * rows..<(head + 1) * rows))
    }
    return matrices
  }
}
