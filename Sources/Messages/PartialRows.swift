public import Kernels

/// Checks of the payload of a reply.
public enum PartialRows {
  /// Whether every number in `rows` encoded rows is finite: floats, or the scales of blocks.
  ///
  /// - Shapes: `payload`: rows × the bytes of one row of `width` elements.
  public static func areFinite(
    _ payload: RawSpan, format: ReplyFormat, width: Int, rows: Int
  ) -> Bool {
    let rowByteCount = format.byteCount(columns: width)
    precondition(payload.byteCount == rows * rowByteCount)
    switch format {
    case .float32:
      return areFinite(payload, 0..<payload.byteCount)
    case .int16Blocks:
      let codes = (width + 31) / 32 * 64
      return (0..<rows).allSatisfy { row in
        areFinite(payload, row * rowByteCount + codes..<(row + 1) * rowByteCount)
      }
    }
  }

  private static func areFinite(_ bytes: RawSpan, _ range: Range<Int>) -> Bool {
    // A float is finite unless its exponent is all ones.
    var infinite = false
    for offset in stride(from: range.lowerBound, to: range.upperBound, by: 4) {
      infinite = infinite || bytes.load(UInt32.self, at: offset) & 0x7F80_0000 == 0x7F80_0000
    }
    return !infinite
  }
}
