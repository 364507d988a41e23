import Foundation
import ModelFiles
import TestSupport
import Testing

/// No byte of a model is used that is not what it was.
@Suite struct ManifestTests {
  private let folder: TemporaryFolder
  private let file: String

  init() throws {
    folder = try TemporaryFolder()
    file = try folder.write(Fixtures.data("gguf/v2-lite-like.gguf"), to: "model.gguf")
  }

  /// Reads every tensor.
  private func readAll(_ path: String) throws {
    let archive = try ModelArchive.open(path)
    for tensor in archive.tensors where tensor.byteCount > 0 {
      _ = try archive.bytes(of: tensor, 0..<tensor.byteCount)
    }
  }

  private func change(_ path: String, at offset: Int, _ body: (UInt8) -> UInt8) throws {
    let handle = try #require(FileHandle(forUpdatingAtPath: path))
    try handle.seek(toOffset: UInt64(offset))
    let byte = try #require(try handle.read(upToCount: 1)?.first)
    try handle.seek(toOffset: UInt64(offset))
    try handle.write(contentsOf: Data([body(byte)]))
    try handle.close()
  }

  @Test func `a model with its manifest is read as without, and says so`() throws {
    #expect(try !ModelArchive.open(file).isVerified)
    let manifest = try FileManifest.write(for: file)
    #expect(try manifest.byteCount == Fixtures.data("gguf/v2-lite-like.gguf").count)
    #expect(try ModelArchive.open(file).isVerified)
    try readAll(file)
    #expect(FileManifest(bytes: manifest.bytes) == manifest)
  }

  @Test func `every flipped bit and every cut of a chunk is noticed`() throws {
    var chunk = try Array(Fixtures.data("gguf/v2-lite-like.gguf").prefix(12_000))
    let path = try folder.write(chunk, to: "part")
    let manifest = try FileManifest.write(for: path)
    #expect(manifest.matches(chunk, chunk: 0))
    var missed = 0
    for bit in 0..<chunk.count * 8 {
      chunk[bit / 8] ^= 1 << (bit % 8)
      if manifest.matches(chunk, chunk: 0) { missed += 1 }
      chunk[bit / 8] ^= 1 << (bit % 8)
    }
    for count in 0..<chunk.count where manifest.matches(Array(chunk[..<count]), chunk: 0) {
      missed += 1
    }
    #expect(missed == 0)
  }

  @Test func `every flipped bit of a manifest is noticed`() throws {
    var bytes = try FileManifest.write(for: file).bytes
    for bit in 0..<bytes.count * 8 {
      bytes[bit / 8] ^= 1 << (bit % 8)
      #expect(FileManifest(bytes: bytes) == nil)
      bytes[bit / 8] ^= 1 << (bit % 8)
    }
    for count in bytes.indices { #expect(FileManifest(bytes: Array(bytes[..<count])) == nil) }
  }

  /// `Tests/Nightly/flip` asks for more.
  @Test func `a flipped bit anywhere in a file is an error that names the place`() throws {
    try FileManifest.write(for: file)
    let size = try Data(contentsOf: URL(filePath: file)).count
    let environment = ProcessInfo.processInfo.environment
    let count = environment["CONCLAVE_FLIPS"].flatMap { Int($0) } ?? 400
    var missed = 0
    for trial in 0..<count {
      let bit = (trial &* 7_919 &+ 13) &* 104_729 % (size * 8)
      try change(file, at: bit / 8) { $0 ^ 1 << UInt8(bit % 8) }
      do {
        try readAll(file)
        missed += 1
      } catch let error as ModelFileError {
        if trial == 0 { #expect(error.description.contains("its manifest was made from")) }
      }
      try change(file, at: bit / 8) { $0 ^ 1 << UInt8(bit % 8) }
    }
    #expect(missed == 0)
    try readAll(file)
  }

  @Test func `another file, a cut one, and a damaged manifest are refused`() throws {
    try FileManifest.write(for: file)
    let manifest = FileManifest.path(of: file)
    try change(manifest, at: 40) { $0 ^ 1 }
    #expect(
      try openingError(file, in: folder.path)
        == "model.gguf.manifest: this is no manifest, or it is damaged; write it again with "
        + "`conclave manifest`, from a file that you trust")
    try change(manifest, at: 40) { $0 ^ 1 }
    let handle = try #require(FileHandle(forUpdatingAtPath: file))
    try handle.truncate(atOffset: 300_000)
    #expect(
      try openingError(file, in: folder.path).hasPrefix(
        "model.gguf: it has 300000 bytes, its manifest says "))
  }

  /// A recovery used to read whatever the file held by then.
  @Test(arguments: [true, false])
  func `a file that somebody writes to while it is in use is an error`(hasManifest: Bool) throws {
    if hasManifest { try FileManifest.write(for: file) }
    let archive = try ModelArchive.open(file)
    let tensor = try #require(archive.tensors.last)
    _ = try archive.bytes(of: tensor, 0..<16)
    usleep(20_000)  // a tick of the clock that files are stamped with
    try change(file, at: tensor.fileOffset + 3) { $0 ^ 4 }
    let error = #expect(throws: ModelFileError.self) { try archive.bytes(of: tensor, 0..<16) }
    #expect(error?.description.contains("somebody wrote to the file while it was in use") == true)
    let handle = try #require(FileHandle(forUpdatingAtPath: file))
    try handle.truncate(atOffset: 10)
    #expect(throws: ModelFileError.self) { try archive.bytes(of: tensor, 0..<16) }
  }

  @Test func `a file that is replaced is read as it was`() throws {
    let archive = try ModelArchive.open(file)
    let tensor = try #require(archive.tensors.last)
    let before = try archive.bytes(of: tensor, 0..<tensor.byteCount)
    try FileManager.default.removeItem(atPath: file)
    try folder.write([1, 2, 3], to: "model.gguf")
    #expect(try archive.bytes(of: tensor, 0..<tensor.byteCount) == before)
  }
}
