import Foundation
import ModelFiles
import Tensors
import TestSupport
import Testing

@Suite struct SplitFileTests {
  private let parts = (1...3).map { "v3-like-0000\($0)-of-00003.gguf" }

  private func copy() throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    try folder.link(Fixtures.path("gguf/v3-like"))
    return folder
  }

  @Test func allPartsOpenAsOneModel() throws {
    let archive = try ModelArchive.open(Fixtures.path("gguf/v3-like/" + parts[0]))
    #expect(Set(archive.tensors.map(\.part)) == [0, 1, 2])
    #expect(archive.filePaths.map { $0.split(separator: "/").last.map(String.init) } == parts)
    for tensor in archive.tensors {
      #expect(try archive.bytes(of: tensor, 0..<tensor.byteCount).count == tensor.byteCount)
    }
    #expect(archive.tensor(named: "token_embd.weight") != nil)
    #expect(archive.tensor(named: "output_norm.weight") != nil)
  }

  @Test func theirFolderNamesTheFileToOpen() throws {
    let folder = try copy()
    try folder.write([UInt8](), to: "a-vocabulary.gguf")
    #expect(
      try openingError(folder.path, in: folder.path)
        == "\(folder.path): this folder has GGUF files, and no config.json; name a file, such as"
        + " \(parts[0])")
  }

  @Test func anotherPartThanTheFirstIsRefused() throws {
    let folder = try copy()
    #expect(
      try openingError(folder.path + "/" + parts[1], in: folder.path)
        == "\(parts[1]): this is not the first part of the model; open \(parts[0])")
  }

  @Test func aMissingPartIsNamed() throws {
    let folder = try copy()
    try FileManager.default.removeItem(atPath: folder.path + "/" + parts[2])
    #expect(
      try openingError(folder.path + "/" + parts[0], in: folder.path)
        == "\(parts[2]): cannot open: No such file or directory; check the path")
  }

  @Test func partsInTheWrongOrderAreRefused() throws {
    let folder = try copy()
    let manager = FileManager.default
    try manager.removeItem(atPath: folder.path + "/" + parts[1])
    try manager.copyItem(
      atPath: folder.path + "/" + parts[2], toPath: folder.path + "/" + parts[1])
    let text = try openingError(folder.path + "/" + parts[0], in: folder.path)
    #expect(text.hasPrefix(parts[1]))
    #expect(text.contains("split.no is 2: this is not part 2 of 3"))
  }

  @Test func aFirstPartUnderAnotherNameIsRefused() throws {
    let folder = try copy()
    try FileManager.default.moveItem(
      atPath: folder.path + "/" + parts[0], toPath: folder.path + "/whole.gguf")
    #expect(
      try openingError(folder.path + "/whole.gguf", in: folder.path)
        .contains("the file's name has no part numbers"))
    try FileManager.default.moveItem(
      atPath: folder.path + "/whole.gguf", toPath: folder.path + "/v3-like-00001-of-00004.gguf")
    #expect(
      try openingError(folder.path + "/v3-like-00001-of-00004.gguf", in: folder.path)
        .contains("split.count is 3, but the file's name says 4"))
  }

  @Test func aWrongTotalIsRefused() throws {
    let folder = try TemporaryFolder()
    for (number, total) in [(0, 3), (1, 3)] {
      var blueprint = GGUFBlueprint()
      blueprint.set("general.architecture", string: "deepseek2")
      blueprint.set("split.no", u16: number)
      blueprint.set("split.count", u16: 2)
      blueprint.set("split.tensors.count", i32: total)
      blueprint.add("t\(number).weight", .f32, [1])
      try GGUFWriterTests.write(
        blueprint, to: folder.path + "/m-0000\(number + 1)-of-00002.gguf")
    }
    #expect(
      try openingError(folder.path + "/m-00001-of-00002.gguf", in: folder.path)
        .contains("split.tensors.count is 3, but the parts hold 2 tensors"))
  }
}
