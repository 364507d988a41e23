import Foundation
import ModelFiles
import TestSupport
import Tensors
import Testing

@Suite struct ModelArchiveTests {
  private let path = Fixtures.path("gguf/k-quants-3-layers/Q4_K_M.gguf")

  @Test func oneExpertsBytesAreReachableAlone() throws {
    let archive = try ModelArchive.open(path)
    let tensor = try #require(archive.tensor(named: "blk.2.ffn_down_exps.weight"))
    #expect(tensor.shape == [4, 256, 256])
    #expect(tensor.format == .q6K)
    #expect(tensor.bytes(ofItem: 3) == 161_280..<215_040)
    let whole = try archive.bytes(of: tensor, 0..<tensor.byteCount)
    let file = [UInt8](try Data(contentsOf: URL(filePath: path)))
    #expect(whole == Array(file[tensor.fileOffset..<tensor.fileOffset + tensor.byteCount]))
    for expert in 0..<4 {
      let range = tensor.bytes(ofItem: expert)
      #expect(try archive.bytes(of: tensor, range) == Array(whole[range]))
      var bytes = [UInt8](repeating: 0, count: range.count)
      var span = bytes.mutableSpan
      try archive.read(tensor, from: range.lowerBound, into: &span)
      #expect(bytes == Array(whole[range]))
    }
    #expect(try archive.bytes(of: tensor, rows: 5..<7) == Array(whole[5 * 210..<7 * 210]))
    #expect(tensor.rows == 1024 && tensor.columns == 256 && tensor.rowByteCount == 210)
  }

  @Test func manyThreadsMayRead() async throws {
    let archive = try ModelArchive.open(path)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for tensor in archive.tensors {
        group.addTask {
          let whole = try archive.bytes(of: tensor, 0..<tensor.byteCount)
          let half = tensor.byteCount / 2
          let tail = try archive.bytes(of: tensor, half..<tensor.byteCount)
          #expect(tail == Array(whole[half...]))
        }
      }
      try await group.waitForAll()
    }
  }

  @Test func aFileThatShrinksIsAnErrorAndNoCrash() throws {
    let folder = try TemporaryFolder()
    let file = try folder.write(try Fixtures.data("hostile/control.gguf"), to: "model.gguf")
    let archive = try ModelArchive.open(file)
    let tensor = try #require(archive.tensor(named: "output.weight"))
    try #require(FileHandle(forWritingAtPath: file)).truncate(atOffset: 5000)
    let error = #expect(throws: ModelFileError.self) {
      try archive.bytes(of: tensor, 0..<tensor.byteCount)
    }
    #expect(error?.description.contains("the file became shorter while it was in use") == true)
  }

  @Test func equalFilesHaveEqualDigestsUnderAnyName() throws {
    let folder = try TemporaryFolder()
    let copy = try folder.write(try Data(contentsOf: URL(filePath: path)), to: "other.gguf")
    let digest = try ModelArchive.open(path).digest
    #expect(try ModelArchive.open(copy).digest == digest)
    #expect(digest.description.count == 64)
    #expect(ModelDigest(bytes: digest.bytes) == digest)
    #expect(ModelDigest(bytes: []) == nil)
  }

  @Test func differentModelsHaveDifferentDigests() throws {
    let names = [
      "gguf/v2-lite-like.gguf", "gguf/v2-236b-like.gguf", "gguf/v2-236b-like-old.gguf",
      "gguf/k-quants-2-layers/Q6_K.gguf", "gguf/k-quants-2-layers/Q5_K_M.gguf",
      "models/v2-lite-like", "models/v3-like", "hostile/st-control",
      "hostile/st-config-layers-huge",
      "hostile/control.gguf", "hostile/control-version-2.gguf",
    ]
    let digests = try names.map { try ModelArchive.open(Fixtures.path($0)).digest }
    #expect(Set(digests).count == names.count)
  }

  @Test func otherWeightsOrMetadataGiveAnotherDigest() throws {
    let folder = try TemporaryFolder()
    func digest(fill: UInt8, value: Int) throws -> ModelDigest {
      var blueprint = GGUFWriterTests.blueprint()
      blueprint.set("x", u32: value)
      let path = folder.path + "/\(fill)-\(value).gguf"
      try GGUFWriterTests.write(blueprint, to: path, fill: fill)
      return try ModelArchive.open(path).digest
    }
    let all = [
      try digest(fill: 1, value: 1), try digest(fill: 2, value: 1), try digest(fill: 1, value: 2),
    ]
    #expect(Set(all).count == 3)
  }

  @Test func digestsOfBytesAreSHA256() {
    let bytes = Array("abc".utf8)
    let digest = unsafe ModelDigest(sha256: bytes.span.bytes)
    #expect(
      digest.description == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  }
}
