import Tensors

/// The keys and values of one sequence in all layers, in float32.
///
/// Room for `capacity` positions is reserved at once and takes memory only where it is used.
public final class KVCache {
  /// Positions that fit.
  public let capacity: Int
  /// Positions that are stored in every layer.
  public private(set) var length = 0

  let layers: [LayerCache]

  init(layout: CacheLayout, layerCount: Int, capacity: Int) throws(ModelError) {
    var layers: [LayerCache] = []
    for _ in 0..<layerCount { layers.append(try LayerCache(layout: layout, capacity: capacity)) }
    self.layers = layers
    self.capacity = capacity
  }

  /// Forgets all but the first `length` positions.
  public func truncate(to length: Int) {
    precondition(length >= 0 && length <= self.length)
    self.length = length
  }

  /// Fills up to `length` positions by repeating those that are stored, at least one.
  ///
  /// For measuring: what a step costs depends on how much is stored, not on what. Later tokens see
  /// keys of wrong positions.
  public func repeatPositions(to length: Int) {
    precondition(self.length > 0 && length >= self.length && length <= capacity)
    for layer in layers {
      for position in self.length..<length { layer.copy(position % self.length, to: position) }
    }
    self.length = length
  }

  /// Takes the rows that a finished step wrote as stored.
  func advance(by count: Int) {
    precondition(count >= 0 && length + count <= capacity)
    length += count
  }
}

/// The keys and values of one layer.
final class LayerCache {
  var rows: FloatMatrix  // (capacity, CacheLayout.rowFloats)

  init(layout: CacheLayout, capacity: Int) throws(ModelError) {
    guard let rows = FloatMatrix(reservingRows: capacity, columns: layout.rowFloats) else {
      throw .outOfMemory(
        purpose: "a cache of \(capacity) positions",
        byteCount: 4 &* capacity &* layout.rowFloats)
    }
    self.rows = rows
  }

  /// Copies a position over another one.
  func copy(_ position: Int, to target: Int) { Self.copy(position, to: target, in: &rows) }

  private static func copy(_ position: Int, to target: Int, in rows: inout FloatMatrix) {
    let stride = rows.rowStride
    var floats = rows.mutableSpan
    for column in 0..<stride {
      floats[target * stride + column] = floats[position * stride + column]
    }
  }
}
