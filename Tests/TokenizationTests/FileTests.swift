import Foundation
import ModelFiles
import TestSupport
import Testing
import Tokenization

/// Vocabularies of both containers, and broken ones.
@Suite struct FileTests {
  @Test(
    "a folder and a GGUF file of one model agree",
    arguments: [
      ("v2-lite-like", "v2-lite-like.gguf"), ("llm-like", "llm-like.gguf"),
      ("coder-v1-like", "coder-v1-like.gguf"),
    ])
  func containersAgree(folder: String, file: String) throws {
    let one = try Vocabularies.open("models/" + folder)
    let other = try Vocabularies.open("gguf/" + file)
    #expect(one.vocabularySize == other.vocabularySize)
    #expect(one.bos == other.bos && one.eos == other.eos && one.addsBOS == other.addsBOS)
    #expect(one.stopTokens == other.stopTokens)
    for text in ["the other thab\n", "a\tb  c", "12 + 34 = ?", "x<｜end▁of▁sentence｜>y"] {
      let ids = one.encode(text, addBOS: true)
      #expect(ids == other.encode(text, addBOS: true))
      #expect(one.decode(ids) == text.replacing("<｜end▁of▁sentence｜>", with: ""))
    }
    let last = TokenID(one.vocabularySize - 1)
    #expect(one.isUnused(last) == other.isUnused(last))
  }

  @Test func paddingIsUnused() throws {
    let tokenizer = try Vocabularies.llm.get()
    #expect(tokenizer.isUnused(102_399) && !tokenizer.isUnused(100_014))
    #expect(!tokenizer.isUnused(100_000) && tokenizer.isUnused(102_400) && tokenizer.isUnused(-1))
  }

  @Test func userDefinedTokensMatchAnyText() throws {
    let tokenizer = try Vocabularies.llm.get()
    #expect(tokenizer.encode("für", specials: false, addBOS: false).contains(100_014))
    #expect(tokenizer.decode(tokenizer.encode("für", specials: false, addBOS: true)) == "für")
  }

  @Test func marksAreControlTokensWhateverTheFileSays() throws {
    // ggml-vocab-deepseek-coder.gguf has these as user-defined tokens.
    let tokenizer = try Vocabularies.coder.get()
    for text in ["<｜fim▁hole｜>", "<|EOT|>", "<|User|>"] {
      let id = try #require(tokenizer.specialToken(text))
      #expect(tokenizer.isControl(id))
      #expect(tokenizer.encode(text, addBOS: false) == [id])
      #expect(!tokenizer.encode(text, specials: false, addBOS: false).contains(id))
    }
    #expect(tokenizer.stopTokens == [32014, 32021])
    #expect(try tokenizer.encode(prefix: "a", suffix: "b") == [32013, 32016, 64, 32015, 65, 32017])
  }

  @Test(
    "hostile files",
    arguments: [
      ("token-types-short", "tokenizer.ggml.token_type has 10 elements for 36 tokens"),
      ("tokens-not-strings", "tokenizer.ggml.tokens is an array of"),
    ])
  func hostile(name: String, problem: String) {
    let line = message { try Vocabularies.open("hostile/\(name).gguf") }
    #expect(line.contains(problem) && !line.contains("\n"), "\(line)")
  }

  static let breakages: [(String, @Sendable (inout VocabularyFile) -> Void)] = [
    (
      "tokenizer.ggml.pre is \"llama-bpe\"; this build knows deepseek-llm",
      { $0.preTokenizer = "llama-bpe" }
    ),
    ("tokenizer.ggml.model is \"llama\"", { $0.model = "llama" }),
    ("merge 1 joins \"q\" and \"zz\"", { $0.merges.append(Array("q zz".utf8)) }),
    ("merge 1 joins \"ab\" and \"\"", { $0.merges.append(Array("ab".utf8)) }),
    (
      "eos_token_id is 257, but the vocabulary has 257 tokens",
      { $0.integers["eos_token_id"] = 257 }
    ),
    ("token_type has 258 elements", { $0.kinds.append(1) }),
    ("holds a type that does not exist", { $0.kinds[3] = 9 }),
  ]

  @Test("broken vocabularies", arguments: breakages)
  func broken(problem: String, change: @Sendable (inout VocabularyFile) -> Void) {
    var file = VocabularyFile()
    change(&file)
    let line = message { try file.tokenizer() }
    #expect(line.contains(problem) && !line.contains("\n"), "\(line)")
  }

  @Test(
    "broken tokenizer.json",
    arguments: [
      (#""\\s+$""#, #""\\s*$""#, "the pre-tokenizer is none of those that this build knows"),
      (#""BPE""#, #""WordPiece""#, "the model is not of type BPE"),
      (#""normalizer": null"#, #""normalizer": {"type": "NFC"}"#, "has a normalizer"),
      (#""id": 131"#, #""id": 130"#, "have the same id 130"),
      (#""id": 131"#, #""id": -1"#, "has no id or one out of range"),
      (#""id": 133"#, #""id": 4000000"#, "config.json a vocab_size of"),
      (#""lstrip": false"#, #""lstrip": true"#, "has lstrip set"),
    ])
  func brokenFolder(text: String, replacement: String, problem: String) throws {
    let folder = NSTemporaryDirectory() + "tokenizer-\(UUID())"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try FileManager.default.copyItem(atPath: Fixtures.path("models/llm-like"), toPath: folder)
    let path = folder + "/tokenizer.json"
    let json = try String(contentsOfFile: path, encoding: .utf8)
    let changed = json.replacingOccurrences(of: text, with: replacement)
    #expect(changed != json)
    try FileManager.default.removeItem(atPath: path)
    try changed.write(toFile: path, atomically: false, encoding: .utf8)
    let line = message { try Tokenizer(ModelArchive.open(folder)) }
    #expect(line.contains(problem) && line.contains("tokenizer.json"), "\(line)")
  }

  private func message(_ body: () throws -> Tokenizer) -> String {
    do {
      _ = try body()
      return "no error"
    } catch {
      return "\(error)"
    }
  }
}
