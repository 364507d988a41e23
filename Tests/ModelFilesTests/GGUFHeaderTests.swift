import Foundation
import ModelFiles
import TestSupport
import Tensors
import Testing

/// Malformed headers beyond those of the fixtures.
@Suite struct GGUFHeaderTests {
  private func refusal(_ bytes: [UInt8]) throws -> String {
    let folder = try TemporaryFolder()
    return try openingError(try folder.write(bytes, to: "model.gguf"), in: folder.path)
  }

  private func header(_ change: (inout GGUFBlueprint) -> Void) -> [UInt8] {
    var blueprint = GGUFBlueprint()
    blueprint.set("general.architecture", string: "deepseek2")
    change(&blueprint)
    return blueprint.header + [UInt8](repeating: 0, count: blueprint.dataByteCount)
  }

  /// A header whose only pair is the architecture, then `pair` as raw bytes.
  private func header(pair: [UInt8]) -> [UInt8] {
    var bytes = header { $0.set("x", bool: true) }
    let start = bytes.count - bytes.reversed().prefix { $0 == 0 }.count - 14
    bytes.replaceSubrange(start..., with: pair)
    return bytes
  }

  private func key(_ name: String, _ type: UInt32) -> [UInt8] {
    word(UInt64(name.utf8.count)) + Array(name.utf8) + word(type)
  }

  private func word(_ value: some FixedWidthInteger) -> [UInt8] {
    (0..<value.bitWidth / 8).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
  }

  @Test func arraysMayNestFourDeepAndNoDeeper() throws {
    let inner = word(UInt32(0)) + word(UInt64(0))
    func nested(_ depth: Int) -> [UInt8] {
      depth == 1 ? inner : word(UInt32(9)) + word(UInt64(1)) + nested(depth - 1)
    }
    let folder = try TemporaryFolder()
    let path = try folder.write(header(pair: key("x.y", 9) + nested(4)), to: "model.gguf")
    #expect(try GGUFFixture.metadata(path).hasKey("x.y"))
    #expect(try refusal(header(pair: key("x.y", 9) + nested(5))).contains("nests arrays"))
  }

  @Test func emptyAndOverlongNamesAreRefused() throws {
    #expect(try refusal(header(pair: key("", 0) + [0])).contains("a key's name has 0 bytes"))
    let long = String(repeating: "k", count: 70000)
    #expect(try refusal(header(pair: key(long, 0) + [0])).contains("70000 bytes"))
    #expect(try refusal(header { $0.add("", .f32, [1]) }).contains("a tensor's name has 0 bytes"))
  }

  @Test func textsFromTheFileCannotBreakTheLine() throws {
    let text = try refusal(header(pair: key("a\nb\u{1B}[31m\u{2028}", 77) + [0]))
    #expect(text.contains(#""a\u{a}b\u{1b}[31m\u{2028}" has the unknown value type 77"#))
  }

  @Test func namesThatAreNotUTF8AreRefused() throws {
    let pair = word(UInt64(2)) + [0xC3, 0x28] + word(UInt32(0)) + [0]
    #expect(try refusal(header(pair: pair)).contains("not UTF-8"))
  }

  @Test func anEmptyDimensionIsRefused() throws {
    var bytes = header { $0.add("t", .f32, [5]) }
    let place = try #require(bytes.indices.first { bytes[$0...].starts(with: word(UInt64(5))) })
    bytes.replaceSubrange(place..<place + 8, with: word(UInt64(0)))
    #expect(try refusal(bytes).contains("the impossible dimension 0"))
    bytes.replaceSubrange(place..<place + 8, with: word(UInt64.max))
    #expect(try refusal(bytes).contains("the impossible dimension 18446744073709551615"))
  }

  @Test func productsOfFourDimensionsThatOverflowAreRefused() throws {
    var bytes = header { $0.add("t", .f32, [1, 1, 1, 1]) }
    let ones = word(UInt64(1)) + word(UInt64(1))
    let place = try #require(bytes.indices.last { bytes[$0...].starts(with: ones + ones) })
    let big = word(UInt64(1 << 31))
    bytes.replaceSubrange(place..<place + 32, with: big + big + big + big)
    #expect(try refusal(bytes).contains("cannot have the shape"))
  }

  @Test func formatsThatOnlySafetensorsHasAreRefused() throws {
    var bytes = header { $0.add("t", .f32, [9]) }
    let pattern = word(UInt64(9)) + word(UInt32(0))
    let place = try #require(bytes.indices.first { bytes[$0...].starts(with: pattern) })
    bytes.replaceSubrange(place + 8..<place + 12, with: word(ElementFormat.f8E4M3.rawValue))
    #expect(try refusal(bytes).contains("has the type 1000"))
  }

  @Test func aMissingArchitectureIsRefused() throws {
    let bytes = GGUFBlueprint().header
    #expect(
      try refusal(bytes)
        == "model.gguf: the key general.architecture is missing; convert the file again")
  }

  @Test func filesThatAreNoModelsAreRefused() throws {
    let folder = try TemporaryFolder()
    #expect(
      try openingError(folder.path + "/none.gguf", in: folder.path)
        == "none.gguf: cannot open: No such file or directory; check the path")
    #expect(try openingError("/dev/null", in: folder.path).contains("no regular file"))
    unsafe mkfifo(folder.path + "/pipe.gguf", 0o600)
    #expect(
      try openingError(folder.path + "/pipe.gguf", in: folder.path).contains("no regular file"))
    #expect(try refusal(Array("{\"a\": 1}".utf8)).contains("this is no GGUF file"))
  }

  @Test(arguments: ["deepseek-llm", "deepseek-coder"])
  func vocabulariesWithoutWeightsOpen(_ name: String) throws {
    let path = Fixtures.path("tokenizer/ggml-vocab-\(name).gguf")
    let archive = try ModelArchive.open(path)
    #expect(archive.isVocabularyOnly)
    let tokens = try GGUFFixture.metadata(path).strings("tokenizer.ggml.tokens")
    #expect(tokens.count == (name == "deepseek-llm" ? 102_400 : 32256))
    #expect(tokens.text(0) == "!")
  }
}
