import Foundation
import ModelFiles
import TestSupport
import Testing
import Tokenization

/// Vectors of other engines, which must be met exactly.
@Suite struct VectorTests {
  static let names = ["deepseek-llm", "deepseek-coder"]

  @Test("llama.cpp's vectors", arguments: names)
  func llamaVectors(name: String) throws {
    let tokenizer = try Vocabularies.tokenizer(name)
    let file = "tokenizer/ggml-vocab-\(name).gguf"
    let texts = String(decoding: try Fixtures.data(file + ".inp"), as: UTF8.self)
      .components(separatedBy: "\n__ggml_vocab_test__\n").dropLast()
    let lines = String(decoding: try Fixtures.data(file + ".out"), as: UTF8.self)
      .split(separator: "\n", omittingEmptySubsequences: false).dropLast()
    #expect(texts.count == lines.count)
    for (text, line) in zip(texts, lines) {
      let ids = line.split(separator: " ").compactMap { TokenID($0) }
      #expect(tokenizer.encode(text, addBOS: false) == ids, "\(text.debugDescription)")
      #expect(Array(tokenizer.decode(ids).utf8) == Array(text.utf8))
    }
  }

  struct Vector: Decodable {
    let text: String
    let ids: [TokenID]
    let ids_no_special: [TokenID]?
    let pieces: [String]?
  }

  static func vectors(_ name: String) throws -> [Vector] {
    try Fixtures.data("tokenizer/\(name).jsonl").split(separator: UInt8(ascii: "\n"))
      .map { try JSONDecoder().decode(Vector.self, from: $0) }
  }

  @Test("300 strings of two engines", arguments: names)
  func strings(name: String) throws {
    let tokenizer = try Vocabularies.tokenizer(name)
    let vectors = try Self.vectors(name)
    #expect(vectors.count == 300)
    for vector in vectors {
      let ids = tokenizer.encode(vector.text, addBOS: false)
      #expect(ids == vector.ids, "\(vector.text.debugDescription)")
      let plain = tokenizer.encode(vector.text, specials: false, addBOS: false)
      #expect(plain == vector.ids_no_special ?? vector.ids, "\(vector.text.debugDescription)")
      #expect(Array(tokenizer.decode(plain).utf8) == Array(vector.text.utf8))
    }
  }

  @Test("pieces and ids of the other pre-tokenizers", arguments: ["deepseek-v3", "kimi-k2"])
  func pieces(name: String) throws {
    let preTokenizer = try #require(PreTokenizer(rawValue: name))
    let tokenizer = try Vocabularies.coder(preTokenizer: name)
    for vector in try Self.vectors(name) {
      let pieces = preTokenizer.pieces(of: vector.text)
      #expect(
        pieces.map { Array($0.utf8) } == vector.pieces?.map { Array($0.utf8) },
        "\(vector.text.debugDescription)")
      let ids = tokenizer.encode(vector.text, specials: false, addBOS: false)
      if !Self.holdsLetterToken(vector.text) {
        #expect(ids == vector.ids, "\(vector.text.debugDescription)")
      }
    }
  }

  /// The vocabulary has single letters as user-defined tokens, which the vectors were made without.
  private static func holdsLetterToken(_ text: String) -> Bool {
    text.unicodeScalars.contains { "õ÷ÁýÀÿøúþüùöû".unicodeScalars.contains($0) }
  }

  @Test func aLongTextIsTokenizedAsItsParts() throws {
    // Texts beyond some length use a cache of pieces.
    let tokenizer = try Vocabularies.llm.get()
    let texts = try Self.vectors("deepseek-llm").map { $0.text + "\n" }
    let parts = texts.flatMap { tokenizer.encode($0, specials: false, addBOS: false) }
    let whole = texts.joined()
    #expect(whole.utf8.count > 4096)
    #expect(tokenizer.encode(whole, specials: false, addBOS: false) == parts)
    let twice = tokenizer.encode(whole + whole, specials: false, addBOS: false)
    #expect(twice == parts + parts)
  }
}
