import Kernels

/// How one position of one layer lies in the cache; every part is padded with zeros to 16 floats.
///
/// Latent attention: the normed latent vector, then the rotated shared key; the latent vector is
/// key and value at once. Grouped-query attention: the rotated keys of all heads, then the values.
package struct CacheLayout: Sendable, Equatable {
  /// Elements of a key, with the gap before its rotated part.
  package let keyWidth: Int
  /// Elements of a value.
  package let valueWidth: Int
  /// Key and value heads.
  package let kvHeadCount: Int
  /// Where the rotated part of a key starts.
  package let ropeOffset: Int
  /// Where values start in a row.
  package let valueOffset: Int
  /// Floats of one position.
  package let rowFloats: Int

  /// The layout that one design of attention needs.
  package init(_ design: AttentionDesign) {
    switch design {
    case .latent(let shape):
      ropeOffset = padded(shape.kvLoraRank)
      keyWidth = ropeOffset + shape.ropeHeadSize
      valueWidth = shape.kvLoraRank
      kvHeadCount = 1
      valueOffset = 0
      rowFloats = padded(keyWidth)
    case .groupedQuery(let shape):
      ropeOffset = 0
      keyWidth = shape.headSize
      valueWidth = shape.headSize
      kvHeadCount = shape.kvHeadCount
      valueOffset = kvHeadCount * padded(keyWidth)
      rowFloats = 2 * valueOffset
    }
  }
}

/// `count` rounded up to whole vectors of 16 floats.
func padded(_ count: Int) -> Int { AttentionShape.padded(count) }
