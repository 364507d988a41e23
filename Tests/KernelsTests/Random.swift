import Tensors

/// SplitMix64: a small generator whose output a seed fixes.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  /// An even float of the range; of our own, so that no library decides the bits.
  mutating func float(in range: ClosedRange<Float> = -1...1) -> Float {
    let unit = Float(next() >> 40) * 0x1p-24
    return range.lowerBound + unit * (range.upperBound - range.lowerBound)
  }

  mutating func floats(_ count: Int, in range: ClosedRange<Float> = -1...1) -> [Float] {
    (0..<count).map { _ in float(in: range) }
  }

  mutating func matrix(
    rows: Int, columns: Int, in range: ClosedRange<Float> = -1...1
  ) -> FloatMatrix {
    FloatMatrix(rows: rows, columns: columns) { _, _ in float(in: range) }
  }

  /// Rows of a format as they stand in a file: random codes, moderate scales, no NaN.
  mutating func rawRows(_ format: ElementFormat, rows: Int, columns: Int) -> [UInt8] {
    let byteCount = rows * (format.byteCount(elements: columns) ?? 0)
    switch format {
    case .f32: return floats(rows * columns).flatMap { bytes($0.bitPattern, 4) }
    case .bf16: return floats(rows * columns).flatMap { bytes($0.bitPattern >> 16, 2) }
    case .f16: return (0..<rows * columns).flatMap { _ in half() }
    case .f8E4M3:
      return (0..<byteCount).map { _ in UInt8(truncatingIfNeeded: next()) & 0xf7 }
    default: break
    }
    var raw = (0..<byteCount).map { _ in UInt8(truncatingIfNeeded: next()) }
    for block in stride(from: 0, to: byteCount, by: format.blockByteCount) {
      for offset in format.halfOffsets {
        raw.replaceSubrange(block + offset..<block + offset + 2, with: half())
      }
    }
    return raw
  }

  private mutating func half() -> [UInt8] {
    let bits = UInt32(truncatingIfNeeded: next())
    let exponent = 5 + (bits >> 16) % 10
    return bytes(bits & 0x83ff | exponent << 10, 2)
  }

  private func bytes(_ value: UInt32, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * UInt32($0))) }
  }
}

extension ElementFormat {
  /// Where a block's half-precision scales stand.
  fileprivate var halfOffsets: [Int] {
    switch self {
    case .q4_0, .q5_0, .q8_0, .iq4NL, .iq4XS: [0]
    case .q4_1, .q5_1, .q4K, .q5K: [0, 2]
    case .q2K: [80, 82]
    case .q3K: [108]
    case .q6K: [208]
    default: []
    }
  }

  /// Formats that matrices come in.
  static let ofWeights = allCases.filter { $0 != .q8_1 && $0 != .q8K }
}

extension Span<Float> {
  /// What equality of results means here.
  var bits: [UInt32] { indices.map { self[$0].bitPattern } }
}

extension FloatMatrix {
  /// A matrix with the elements that `element` gives for each row and column.
  init(rows: Int, columns: Int, element: (Int, Int) -> Float) {
    self.init(rows: rows, columns: columns)
    for row in 0..<rows {
      var span = mutableRow(row)
      for column in 0..<columns { span[column] = element(row, column) }
    }
  }

  /// All elements without padding, row by row.
  var bits: [UInt32] { (0..<rows).flatMap { row($0).bits } }
}
