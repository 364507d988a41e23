/// Reads the front of a file in order through a small buffer, and never past its end.
///
/// Every length is compared with the bytes that are left before anything is reserved for it, so
/// that neither time nor memory can exceed what the file itself pays for.
struct HeaderReader {
  let file: InputFile
  /// The place of the next byte.
  private(set) var offset = 0

  private var buffer: [UInt8] = []
  private var bufferStart = 0
  private static let bufferByteCount = 1 << 18

  init(_ file: InputFile) { self.file = file }

  /// Bytes from here to the end of the file.
  var remaining: Int { file.byteCount - offset }

  /// An error at the next byte.
  func error(_ problem: String, remedy: String = Remedy.convertAgain) -> ModelFileError {
    ModelFileError(file: file.path, byte: offset, problem, remedy: remedy)
  }

  /// A little-endian integer.
  mutating func integer<T: FixedWidthInteger>(
    _ type: T.Type, _ what: @autoclosure () -> String
  ) throws(ModelFileError) -> T {
    let size = T.bitWidth / 8
    try need(size, what())
    var value: T = 0
    for index in 0..<size {
      value |= T(truncatingIfNeeded: buffer[offset - bufferStart + index]) << T(8 * index)
    }
    offset += size
    return value
  }

  /// A 64-bit count of entries that take at least `entryByteCount` bytes each.
  mutating func count(
    ofAtLeast entryByteCount: Int, _ what: @autoclosure () -> String
  ) throws(ModelFileError) -> Int {
    let start = offset
    let value = try integer(UInt64.self, what())
    guard value <= UInt64(remaining / entryByteCount) else {
      throw ModelFileError(
        file: file.path, byte: start,
        "\(what()) is \(value), but only \(remaining) bytes follow",
        remedy: Remedy.downloadAgain)
    }
    return Int(value)
  }

  /// A string: 64-bit length, then its bytes.
  mutating func string(_ what: @autoclosure () -> String) throws(ModelFileError) -> [UInt8] {
    let length = try count(ofAtLeast: 1, "the length of \(what())")
    var bytes: [UInt8] = []
    bytes.reserveCapacity(length)
    try append(length, to: &bytes, what())
    return bytes
  }

  /// Appends the next `count` bytes to `bytes`.
  mutating func append(
    _ count: Int, to bytes: inout [UInt8], _ what: @autoclosure () -> String
  ) throws(ModelFileError) {
    guard count <= remaining else { throw cutOff(what()) }
    var left = count
    while left > 0 {
      let step = min(left, Self.bufferByteCount)
      try need(step, what())
      let start = offset - bufferStart
      bytes.append(contentsOf: buffer[start..<start + step])
      offset += step
      left -= step
    }
  }

  /// Makes the next `count` bytes available in the buffer.
  private mutating func need(
    _ count: Int, _ what: @autoclosure () -> String
  ) throws(ModelFileError) {
    guard count > buffer.count - (offset - bufferStart) else { return }
    guard count <= remaining else { throw cutOff(what()) }
    bufferStart = offset
    buffer = try file.bytes(at: offset, count: min(Self.bufferByteCount, remaining))
  }

  private func cutOff(_ what: String) -> ModelFileError {
    error("the file ends inside \(what)", remedy: Remedy.downloadAgain)
  }
}
