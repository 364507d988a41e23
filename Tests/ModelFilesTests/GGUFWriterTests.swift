import Foundation
import ModelFiles
import Tensors
import Testing

@Suite struct GGUFWriterTests {
  static func blueprint(alignment: Int = 32) -> GGUFBlueprint {
    var blueprint = GGUFBlueprint(alignment: alignment)
    blueprint.set("general.architecture", string: "deepseek2")
    blueprint.set("a.u16", u16: 65535)
    blueprint.set("a.u32", u32: 7)
    blueprint.set("a.i32", i32: -8)
    blueprint.set("a.f32", f32: 0.0707)
    blueprint.set("a.bool", bool: true)
    blueprint.set("a.strings", strings: StringArray(["", "Ġa", "é", "e\u{301}"]))
    blueprint.set("a.i32s", i32s: [1, -1, 3])
    blueprint.add("first.weight", .f32, [3])
    blueprint.add("second.weight", .q4K, [4, 2, 256])
    blueprint.add("third.weight", .bf16, [5, 7])
    return blueprint
  }

  @discardableResult
  static func write(_ blueprint: GGUFBlueprint, to path: String, fill: UInt8 = 1) throws -> Int {
    var writer = try GGUFWriter(blueprint, to: path)
    for (index, tensor) in blueprint.tensors.enumerated() {
      let bytes = (0..<tensor.byteCount).map {
        UInt8(truncatingIfNeeded: $0) ^ UInt8(index) &+ fill
      }
      let half = bytes.count / 2
      try writer.write(bytes.span.extracting(..<half))
      try writer.write(bytes.span.extracting(half...))
    }
    try writer.finish()
    return blueprint.tensors.count
  }

  @Test(arguments: [1, 8, 32, 64, 4096])
  func whatIsWrittenIsRead(_ alignment: Int) throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/model.gguf"
    let blueprint = Self.blueprint(alignment: alignment)
    try Self.write(blueprint, to: path)

    let archive = try ModelArchive.open(path)
    #expect(archive.architecture == .deepseek2)
    #expect(archive.tensors.map(\.name) == ["first.weight", "second.weight", "third.weight"])
    #expect(archive.tensors.map(\.shape) == [[3], [4, 2, 256], [5, 7]])
    #expect(archive.tensors.map(\.format) == [.f32, .q4K, .bf16])
    #expect(archive.tensors.allSatisfy { $0.fileOffset % alignment == 0 })
    for (index, tensor) in archive.tensors.enumerated() {
      let bytes = try archive.bytes(of: tensor, 0..<tensor.byteCount)
      #expect(
        bytes.indices.allSatisfy { bytes[$0] == UInt8(truncatingIfNeeded: $0) ^ UInt8(index) &+ 1 })
    }
    #expect(archive.fileByteCount == blueprint.header.count + blueprint.dataByteCount)
  }

  @Test func metadataComesBackWithItsType() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/model.gguf"
    try Self.write(Self.blueprint(), to: path)
    let metadata = try GGUFFixture.metadata(path)
    #expect(try metadata.integer("a.u16") == 65535)
    #expect(try metadata.integer("a.u32") == 7)
    #expect(try metadata.integer("a.i32") == -8)
    #expect(try metadata.float("a.f32") == 0.0707)
    #expect(try metadata.float("a.u32") == 7)
    #expect(try metadata.bool("a.bool"))
    #expect(try metadata.integers("a.i32s") == [1, -1, 3])
    #expect(try metadata.floats("a.i32s") == [1, -1, 3])
    let strings = try metadata.strings("a.strings")
    #expect(
      strings.indices.map(strings.text).map { Array($0.utf8) } == [
        [], [0xC4, 0xA0, 0x61], [0xC3, 0xA9], [0x65, 0xCC, 0x81],
      ])
    #expect(try metadata.integer(ifPresent: "a.none") == nil)
    #expect(try metadata.strings(ifPresent: "a.none") == nil)
    #expect(!metadata.hasKey("a.none"))
    #expect(metadata.keys.first == "general.architecture")
  }

  @Test func wrongTypesAndMissingKeysAreErrorsThatNameTheKey() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/model.gguf"
    try Self.write(Self.blueprint(), to: path)
    let metadata = try GGUFFixture.metadata(path)
    func text(_ body: () throws -> Any) -> String? {
      #expect(throws: ModelFileError.self) { _ = try body() }?.description
        .replacingOccurrences(of: folder.path + "/", with: "")
    }
    #expect(
      text { try metadata.integer("a.none") }
        == "model.gguf: the key a.none is missing; convert the file again")
    #expect(
      text { try metadata.integer("a.strings") }
        == "model.gguf, byte 174: a.strings is an array of 4 strings, not an integer;"
        + " convert the file again")
    #expect(text { try metadata.bool("a.u32") }?.contains("not a truth value") == true)
    #expect(
      text { try metadata.string("a.i32s") }?.contains("an array of 3 i32, not a string") == true)
    #expect(text { try metadata.strings("a.i32s") }?.contains("not an array of strings") == true)
    #expect(text { try metadata.integers("a.bool") }?.contains("not an array of integers") == true)
    #expect(
      text { try metadata.float("general.architecture") }?.contains("not a finite number") == true)
  }

  @Test func anUnfinishedFileLeavesNothingBehind() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/model.gguf"
    do {
      var writer = try GGUFWriter(Self.blueprint(), to: path)
      let bytes = [UInt8](repeating: 0, count: 12)
      try writer.write(bytes.span)
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
  }

  /// A rename put a file in the place of the link, and of a device or a pipe.
  @Test func aLinkStaysAndWhatIsNoFileIsRefused() throws {
    let folder = try TemporaryFolder()
    let manager = FileManager.default
    let (path, link) = (folder.path + "/model.gguf", folder.path + "/link.gguf")
    try folder.write("old".utf8, to: "model.gguf")
    try manager.createSymbolicLink(atPath: link, withDestinationPath: path)
    try Self.write(Self.blueprint(), to: link)
    #expect(try manager.destinationOfSymbolicLink(atPath: link) == path)
    #expect(try ModelArchive.open(path).tensors.count == 3)
    let pipe = folder.path + "/pipe.gguf"
    unsafe mkfifo(pipe, 0o600)
    for name in [pipe, folder.path] {
      let error = #expect(throws: ModelFileError.self) {
        _ = try GGUFWriter(Self.blueprint(), to: name)
      }
      #expect(
        error?.description
          == "\(name): this is no regular file, and is not replaced; give another name")
    }
    #expect(try manager.contentsOfDirectory(atPath: folder.path).count == 3)
  }

  @Test func aFileThatTheDiskCannotHoldIsRefused() throws {
    let folder = try TemporaryFolder()
    var blueprint = GGUFBlueprint()
    blueprint.add("huge.weight", .f32, [1 << 20, 1 << 30])
    let error = #expect(throws: ModelFileError.self) {
      _ = try GGUFWriter(blueprint, to: folder.path + "/model.gguf")
    }
    #expect(error?.description.contains("but the disk has") == true)
  }
}

enum GGUFFixture {
  static func metadata(_ path: String) throws -> Metadata {
    guard case .gguf(let metadata) = try ModelArchive.open(path).container else {
      throw CocoaError(.fileReadUnknown)
    }
    return metadata
  }
}
