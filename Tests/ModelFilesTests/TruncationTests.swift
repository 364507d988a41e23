import Foundation
import ModelFiles
import TestSupport
import Testing

@Suite struct TruncationTests {
  /// Opens every prefix of `file`; all must fail that lack a byte of a tensor, none may crash.
  private func openEveryPrefix(
    of file: String, opening model: String, needing byteCount: Int
  ) throws {
    let handle = try #require(FileHandle(forWritingAtPath: file))
    let total = Int(try handle.seekToEnd())
    for length in (0..<total).reversed() {
      try handle.truncate(atOffset: UInt64(length))
      let isOpen = (try? ModelArchive.open(model)) != nil
      try #require(isOpen == (length >= byteCount), "\(length) bytes")
    }
  }

  private func end(_ archive: ModelArchive) -> Int {
    archive.tensors.map { $0.fileOffset + $0.byteCount }.max() ?? 0
  }

  @Test func everyPrefixOfAGGUFFile() throws {
    let folder = try TemporaryFolder()
    let file = try folder.write(Fixtures.data("hostile/control.gguf"), to: "model.gguf")
    let needed = end(try ModelArchive.open(file))
    try openEveryPrefix(of: file, opening: file, needing: needed)
  }

  @Test func everyPrefixOfASafetensorsFile() throws {
    let folder = try TemporaryFolder()
    try folder.link(Fixtures.path("hostile/st-control"))
    let needed = end(try ModelArchive.open(folder.path))
    try openEveryPrefix(
      of: folder.path + "/model.safetensors", opening: folder.path, needing: needed)
  }

  @Test func everyPrefixOfAConfig() throws {
    let folder = try TemporaryFolder()
    try folder.link(Fixtures.path("hostile/st-control"))
    let file = folder.path + "/config.json"
    let text = try String(contentsOfFile: file, encoding: .utf8)
    try openEveryPrefix(
      of: file, opening: folder.path,
      needing: text.trimmingCharacters(in: .whitespacesAndNewlines).utf8.count)
  }

  @Test(arguments: ["gguf", "safetensors"], [1, 2, 3])
  func flippedBytesNeverCrash(_ kind: String, _ seed: UInt64) throws {
    let folder = try TemporaryFolder()
    try folder.link(Fixtures.path("hostile/st-control"))
    let name = kind == "gguf" ? "model.gguf" : "model.safetensors"
    let fixture = kind == "gguf" ? "hostile/control.gguf" : "hostile/st-control/model.safetensors"
    let original = [UInt8](try Fixtures.data(fixture))
    var random = SeededGenerator(seed: seed)
    for _ in 0..<400 {
      var bytes = original
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        bytes[Int.random(in: 0..<4000, using: &random)] = .random(in: 0...255, using: &random)
      }
      try folder.write(bytes, to: name)
      guard
        let archive = try? ModelArchive.open(
          kind == "gguf" ? folder.path + "/" + name : folder.path)
      else { continue }
      for tensor in archive.tensors {
        #expect(try archive.bytes(of: tensor, 0..<tensor.byteCount).count == tensor.byteCount)
      }
    }
  }
}

/// A generator with a seed (splitmix64), so that a failure can be repeated.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var word = state
    word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
    word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
    return word ^ word >> 31
  }
}

@Suite struct SeededGeneratorTests {
  @Test func agreesWithThePublishedSequence() {
    var random = SeededGenerator(seed: 1_234_567)
    #expect(random.next() == 6_457_827_717_110_365_317)
    #expect(random.next() == 3_203_168_211_198_807_973)
  }
}
