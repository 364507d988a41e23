internal import Crypto

/// The SHA-256 of each mebibyte of a file, kept beside it as `FILE.manifest`.
///
/// With one, no byte of the file is used that is not the byte which was there when it was written.
/// The form: 16 bytes `conclave-chunks1`, the file's size as a little-endian 64-bit number, 32 bytes
/// for each chunk, and the SHA-256 of all that.
public struct FileManifest: Sendable, Equatable {
  /// Bytes of a chunk; the last one may be shorter.
  public static let chunkByteCount = 1 << 20
  private static let magic = Array("conclave-chunks1".utf8)
  private static let digestByteCount = 32
  private static let headerByteCount = 24

  /// Bytes of the file.
  public let byteCount: Int
  private var digests: [UInt8] = []  // chunks × 32

  /// Starts a manifest of a file of that size; `append` adds its chunks.
  init(byteCount: Int) { self.byteCount = byteCount }

  /// Reads a manifest; nil when the bytes are none, or damaged.
  public init?(bytes: [UInt8]) {
    let end = bytes.count - Self.digestByteCount
    guard end >= Self.headerByteCount, bytes.starts(with: Self.magic),
      Self.digest(bytes[..<end]) == Array(bytes[end...])
    else { return nil }
    let size = (0..<8).reduce(UInt64(0)) { $0 | UInt64(bytes[16 + $1]) << UInt64(8 * $1) }
    guard let byteCount = Int(exactly: size) else { return nil }
    self.byteCount = byteCount
    digests = Array(bytes[Self.headerByteCount..<end])
    let (chunkBytes, overflow) = chunkCount.multipliedReportingOverflow(by: Self.digestByteCount)
    guard !overflow, digests.count == chunkBytes else { return nil }
  }

  /// What is written to `FILE.manifest`.
  public var bytes: [UInt8] {
    var bytes = Self.magic
    for shift in 0..<8 {
      bytes.append(UInt8(truncatingIfNeeded: UInt64(byteCount) >> UInt64(8 * shift)))
    }
    bytes += digests
    return bytes + Self.digest(bytes[...])
  }

  /// Chunks of the file.
  public var chunkCount: Int {
    byteCount / Self.chunkByteCount + (byteCount % Self.chunkByteCount > 0 ? 1 : 0)
  }

  /// The place of a chunk in the file.
  public func range(ofChunk index: Int) -> Range<Int> {
    let start = index * Self.chunkByteCount
    return start..<min(start + Self.chunkByteCount, byteCount)
  }

  /// Whether these are the bytes of a chunk.
  public func matches(_ bytes: [UInt8], chunk index: Int) -> Bool {
    precondition(index >= 0 && index < chunkCount)
    let start = index * Self.digestByteCount
    return bytes.count == range(ofChunk: index).count
      && Self.digest(bytes[...]).elementsEqual(digests[start..<start + Self.digestByteCount])
  }

  /// Adds the next chunk of the file.
  mutating func append(_ chunk: [UInt8]) { digests += Self.digest(chunk[...]) }

  private static func digest(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
    var hash = SHA256()
    hash.update(data: bytes)
    return Array(hash.finalize())
  }
}

extension FileManifest {
  /// Where the manifest of a file is.
  public static func path(of file: String) -> String { file + ".manifest" }

  /// Reads a whole file and writes its manifest beside it.
  ///
  /// - Parameters:
  ///   - path: The file.
  ///   - progress: Told the share of 1 that is done.
  /// - Returns: The manifest.
  /// - Throws: `ModelFileError` when either file cannot be read or written.
  @discardableResult
  public static func write(
    for path: String, progress: (Double) -> Void = { _ in }
  ) throws(ModelFileError) -> FileManifest {
    let file = try InputFile(path: path, isVerified: false)
    var manifest = FileManifest(byteCount: file.byteCount)
    for index in 0..<manifest.chunkCount {
      let range = manifest.range(ofChunk: index)
      manifest.append(try file.bytes(at: range.lowerBound, count: range.count))
      progress(Double(range.upperBound) / Double(file.byteCount))
    }
    let bytes = manifest.bytes
    let output = try OutputFile(path: Self.path(of: path), byteCount: bytes.count)
    try output.write(bytes.span)
    try output.finish()
    return manifest
  }

  /// The manifest beside a file; nil when there is none.
  static func read(beside file: InputFile) throws(ModelFileError) -> FileManifest? {
    let path = Self.path(of: file.path)
    guard InputFile.exists(path) else { return nil }
    // 32 bytes for each mebibyte, and a little more.
    let limit = file.byteCount / chunkByteCount * digestByteCount + 1_024
    let bytes = try InputFile(path: path, isVerified: false).contents(limit: limit)
    guard let manifest = FileManifest(bytes: bytes) else {
      throw ModelFileError(
        file: path, "this is no manifest, or it is damaged",
        remedy: "write it again with `conclave manifest`, from a file that you trust")
    }
    guard manifest.byteCount == file.byteCount else {
      throw ModelFileError(
        file: file.path, "it has \(file.byteCount) bytes, its manifest says \(manifest.byteCount)",
        remedy: Remedy.downloadAgain)
    }
    return manifest
  }
}
