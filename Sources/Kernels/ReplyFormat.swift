/// How a partial sum of an expert group travels back, and how it is rounded.
public enum ReplyFormat: UInt8, Sendable {
  /// Plain floats, for layers whose experts compute in floats.
  case float32 = 0
  /// Blocks of 32 int16 codes with a float scale, for layers with quantised experts.
  case int16Blocks = 1

  /// Bytes of one row on the wire: floats, or all codes (padded to 32) followed by all scales.
  public func byteCount(columns: Int) -> Int {
    switch self {
    case .float32: return columns * 4
    case .int16Blocks:
      let blocks = (columns + 31) / 32
      return blocks * (32 * 2 + 4)
    }
  }
}
