public import Kernels

/// How one position of one layer lies in the cache; every part is padded with zeros to whole
/// vectors or blocks of the format.
///
/// Latent attention: the normed latent vector, then the rotated shared key; the latent vector is
/// key and value at once. Grouped-query attention: the rotated keys of all heads, then the values.
package struct CacheLayout: Sendable, Equatable {
  /// How elements are stored.
  package let format: KVFormat
  /// Elements of a key, with the gap before its rotated part.
  package let keyWidth: Int
  /// Elements of a value.
  package let valueWidth: Int
  /// Key and value heads.
  package let kvHeadCount: Int
  /// Where the rotated part of a key starts.
  package let ropeOffset: Int
  /// Whether a value is the start of its key.
  package let valuesAreKeys: Bool

  /// The layout that one design of attention needs.
  package init(_ design: AttentionDesign, format: KVFormat) {
    self.format = format
    switch design {
    case .latent(let shape):
      ropeOffset = format.padded(shape.kvLoraRank)
      keyWidth = ropeOffset + shape.ropeHeadSize
      valueWidth = shape.kvLoraRank
      kvHeadCount = 1
      valuesAreKeys = true
    case .groupedQuery(let shape):
      ropeOffset = 0
      keyWidth = shape.headSize
      valueWidth = shape.headSize
      kvHeadCount = shape.kvHeadCount
      valuesAreKeys = false
    }
  }

  /// What kernels need to know to attend with `heads` query heads.
  func attentionShape(heads: Int, scale: Float) -> AttentionShape {
    AttentionShape(
      heads: heads, keyHeads: kvHeadCount, keyWidth: keyWidth, valueWidth: valueWidth,
      scale: scale, format: format, valuesAreKeys: valuesAreKeys)
  }

  /// One layer's share of a page.
  package var tile: KVTile {
    let shape = attentionShape(heads: kvHeadCount, scale: 1)
    return KVTile(format: format, columns: shape.columns)
  }
}

extension ModelConfiguration {
  /// Bytes that one position takes in the caches of all layers.
  public func cacheBytesPerToken(_ format: KVFormat) -> Int {
    layerCount * CacheLayout(attention, format: format).tile.byteCount / KVTile.positions
  }
}
