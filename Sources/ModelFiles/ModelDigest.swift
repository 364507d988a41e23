internal import Crypto

/// A SHA-256 fingerprint: of a model's files, or of bytes that crossed a network.
public struct ModelDigest: Hashable, Sendable, CustomStringConvertible {
  /// 32 bytes.
  public let bytes: [UInt8]

  /// A digest received as bytes; nil unless they are 32.
  public init?(bytes: [UInt8]) {
    guard bytes.count == 32 else { return nil }
    self.bytes = bytes
  }

  /// The SHA-256 of `bytes`.
  public init(sha256 bytes: RawSpan) {
    var hash = SHA256()
    hash.update(bytes)
    self.init(hash)
  }

  fileprivate init(_ hash: SHA256) { bytes = Array(hash.finalize()) }

  /// 64 lowercase hexadecimal digits.
  public var description: String {
    String(decoding: bytes.flatMap { [hexDigit($0 >> 4), hexDigit($0 & 15)] }, as: UTF8.self)
  }
}

private func hexDigit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x57 + value }

extension SHA256 {
  fileprivate mutating func update(_ bytes: RawSpan) {
    unsafe bytes.withUnsafeBytes { unsafe update(bufferPointer: $0) }
  }

  fileprivate mutating func update(_ numbers: [Int]) {
    for number in numbers {
      let word = UInt64(bitPattern: Int64(number))
      update(data: (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * UInt64($0))) })
    }
  }
}

extension ModelDigest {
  /// The fingerprint of a model: config.json if there is one, its files' headers (metadata, names,
  /// shapes, formats, places), their sizes, and the first 256 bytes of at most 256 tensors spread over the model.
  ///
  /// Two copies of a model agree under any file name. Hashing all weights would take minutes;
  /// the samples tell apart models that differ in their weights only. So few of them because
  /// each is a seek on a cold disk.
  ///
  /// - `headers`: for each file, how many of its first bytes are header.
  init(
    config: InputFile?, files: [InputFile], headers: [Int], tensors: [TensorRecord]
  ) throws(ModelFileError) {
    var hash = SHA256()
    if let config { try hash.update(config, 0..<config.byteCount) }
    for (file, header) in zip(files, headers) {
      hash.update([file.byteCount, header])
      try hash.update(file, 0..<min(header, file.byteCount))
    }
    let stride = (tensors.count + 255) / 256
    for index in Swift.stride(from: 0, to: tensors.count, by: max(stride, 1)) {
      let tensor = tensors[index]
      let end = tensor.fileOffset + min(256, tensor.byteCount)
      try hash.update(files[tensor.part], tensor.fileOffset..<end)
    }
    self.init(hash)
  }
}

extension SHA256 {
  fileprivate mutating func update(
    _ file: InputFile, _ range: Range<Int>
  ) throws(ModelFileError) {
    var start = range.lowerBound
    while start < range.upperBound {
      let count = min(1 << 20, range.upperBound - start)
      update(data: try file.bytes(at: start, count: count))
      start += count
    }
  }
}
