import Synchronization

/// Compares each chunk of a file with its manifest before the first of its bytes is used.
///
/// Once is enough as long as nobody writes to the file, which `InputFile` watches.
final class ChunkVerifier: Sendable {
  private let manifest: FileManifest
  private let verified: Mutex<[Bool]>

  init(_ manifest: FileManifest) {
    self.manifest = manifest
    verified = Mutex(Array(repeating: false, count: manifest.chunkCount))
  }

  /// Reads and compares the chunks that `range` touches, but for those that were compared before.
  ///
  /// - Throws: `ModelFileError` with the place of the chunk that is not what it was.
  func verify(
    _ range: Range<Int>, of path: String,
    read: (Range<Int>) throws(ModelFileError) -> [UInt8]
  ) throws(ModelFileError) {
    guard !range.isEmpty else { return }
    let size = FileManifest.chunkByteCount
    for chunk in range.lowerBound / size...(range.upperBound - 1) / size {
      guard chunk < manifest.chunkCount, !verified.withLock({ $0[chunk] }) else { continue }
      let place = manifest.range(ofChunk: chunk)
      guard manifest.matches(try read(place), chunk: chunk) else {
        throw ModelFileError(
          file: path, byte: place.lowerBound,
          "this and the next \(place.count) bytes are not those that its manifest was made from",
          remedy: Remedy.downloadAgain)
      }
      verified.withLock { $0[chunk] = true }
    }
  }
}
