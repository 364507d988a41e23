import Foundation
import ModelFiles
import TestSupport
import Testing

/// A row of `hostile/manifest.json`.
struct HostileFile: Codable, CustomTestStringConvertible {
  let path: String
  let kind: String
  let what: String

  var testDescription: String { path }

  static let all: [HostileFile] = {
    guard let data = try? Fixtures.data("hostile/manifest.json") else { return [] }
    return (try? JSONDecoder().decode([HostileFile].self, from: data)) ?? []
  }()
}

@Suite struct HostileFileTests {
  @Test func manifestIsThere() {
    #expect(HostileFile.all.count == 73)
  }

  @Test(arguments: HostileFile.all.filter { $0.kind == "container" })
  func malformedContainersAreRefusedInOneLine(_ file: HostileFile) throws {
    let path = Fixtures.path("hostile/" + file.path)
    let error = #expect(throws: ModelFileError.self) { try ModelArchive.open(path) }
    let text = try #require(error).description
    #expect(text.hasPrefix(path))
    #expect(!text.contains("\n"))
    #expect(text.contains("; "))
    #expect(text.utf8.count < 600)
  }

  @Test(arguments: HostileFile.all.filter { $0.kind == "control" })
  func controlsOpen(_ file: HostileFile) throws {
    let archive = try ModelArchive.open(Fixtures.path("hostile/" + file.path))
    #expect(!archive.tensors.isEmpty)
    #expect(archive.tensorByteCount == 7536)
  }

  @Test(arguments: HostileFile.all.filter { $0.kind == "model" })
  func containersInOrderOpenOrAreRefused(_ file: HostileFile) throws {
    do {
      _ = try ModelArchive.open(Fixtures.path("hostile/" + file.path))
    } catch {
      #expect(error.description.contains("; "))
    }
  }

  static let texts: [(String, String)] = [
    ("empty.gguf", "empty.gguf: the file is empty; copy or download the file again"),
    (
      "version-4.gguf",
      "version-4.gguf, byte 4: GGUF version 4 is not supported (this build reads 2 and 3);"
        + " convert the file again"
    ),
    (
      "big-endian.gguf",
      "big-endian.gguf, byte 4: the file is big-endian; convert it for little-endian machines"
    ),
    (
      "architecture-unknown.gguf",
      "architecture-unknown.gguf, byte 24: general.architecture is \"wombat\" (this build reads"
        + " deepseek2, llama); choose a model of the DeepSeek family"
    ),
    (
      "array-count-wraps.gguf",
      "array-count-wraps.gguf, byte 1979: the length of \"x.y\" is 2305843009213693952, but only"
        + " 9405 bytes follow; copy or download the file again"
    ),
    (
      "truncated-last-tensor.gguf",
      "truncated-last-tensor.gguf, byte 3718: tensor \"output.weight\" needs 1152 bytes at the"
        + " offset 6432, but the data has 7579 bytes; copy or download the file again"
    ),
    (
      "tensors-overlap.gguf",
      "tensors-overlap.gguf, byte 3776: tensors \"token_embd.weight\" and"
        + " \"blk.0.attn_q.weight\" overlap; convert the file again"
    ),
    (
      "split-parts-missing.gguf",
      "split-parts-missing.gguf, byte 1982: split.count is 3, but the file's name has no part"
        + " numbers; name the parts BASE-00001-of-00003.gguf and so on"
    ),
    (
      "st-name-twice",
      "st-name-twice/model.safetensors, byte 3621: the name \"lm_head.weight\" appears twice;"
        + " copy or download the file again"
    ),
    (
      "st-index-path",
      "st-index-path/model.safetensors.index.json: tensor \"model.embed_tokens.weight\" lies in"
        + " \"../st-control/model.safetensors\", which is no plain file name in this folder;"
        + " copy or download the file again"
    ),
    (
      "st-config-no-width",
      "st-config-no-width/config.json: hidden_size is missing or no positive integer;"
        + " copy or download the file again"
    ),
  ]

  @Test(arguments: texts)
  func errorsSayWhatWhereAndWhatToDo(_ name: String, _ text: String) throws {
    let folder = Fixtures.path("hostile")
    #expect(try openingError(folder + "/" + name, in: folder) == text)
  }
}
