public import Experts

extension RoutingTrace {
  /// "CNVROUTE", then version, first layer, layers, experts, experts per token and tokens as 32-bit
  /// little-endian numbers, then (tokens, layers, experts per token) 16-bit numbers.
  private static let mark = Array("CNVROUTE".utf8)
  private static let version: UInt32 = 1
  private static let headerByteCount = mark.count + 6 * 4

  /// The recording as the bytes of a file.
  public var bytes: [UInt8] {
    var bytes = Self.mark
    bytes.reserveCapacity(Self.headerByteCount + 2 * experts.count)
    let sizes = [firstLayer, layerCount, expertCount, expertsPerToken, rowCount]
    for value in [Self.version] + sizes.map({ UInt32($0) }) {
      for shift in stride(from: 0, to: 32, by: 8) {
        bytes.append(UInt8(truncatingIfNeeded: value >> UInt32(shift)))
      }
    }
    for expert in experts {
      bytes.append(UInt8(truncatingIfNeeded: expert))
      bytes.append(UInt8(truncatingIfNeeded: expert >> 8))
    }
    return bytes
  }

  /// Reads the bytes of a file.
  ///
  /// - Throws: `RoutingTraceError` unless everything about it is possible: mark, version, sizes
  ///   within the limits, exactly as many bytes as they say, distinct experts that exist.
  public init(bytes: [UInt8]) throws(RoutingTraceError) {
    guard bytes.count >= Self.headerByteCount, bytes.starts(with: Self.mark) else {
      throw .format("it does not start like one")
    }
    let numbers = (0..<6).map { index in
      (0..<4).reduce(0) { sum, byte in
        sum | Int(bytes[Self.mark.count + 4 * index + byte]) << (8 * byte)
      }
    }
    guard numbers[0] == Int(Self.version) else {
      throw .format("it has version \(numbers[0]), this build reads \(Self.version)")
    }
    try self.init(
      firstLayer: numbers[1], layerCount: numbers[2], expertCount: numbers[3],
      expertsPerToken: numbers[4])
    let rows = numbers[5]
    let width = layerCount * expertsPerToken
    guard rows <= Self.maximumRowCount,
      bytes.count - Self.headerByteCount == rows * width * 2
    else { throw .format("\(bytes.count) bytes do not hold \(rows) tokens") }
    var position = Self.headerByteCount
    for _ in 0..<rows {
      var chosen: [UInt16] = []
      chosen.reserveCapacity(width)
      for _ in 0..<width {
        chosen.append(UInt16(bytes[position]) | UInt16(bytes[position + 1]) << 8)
        position += 2
      }
      try append(chosen)
    }
  }

  /// The largest file that is read: a recording of the largest model that exists, twice.
  public static let maximumByteCount = 256 << 20

  /// Whether the recording is of a model with such experts.
  public func fits(_ geometry: ExpertGeometry) -> Bool {
    firstLayer == geometry.moeLayers.lowerBound && layerCount == geometry.moeLayers.count
      && expertCount == geometry.expertCount && expertsPerToken == geometry.expertsPerToken
  }
}
