import Foundation
import ModelFiles
import TestSupport
import Tokenization

/// Tokenizers of the fixtures, opened once.
enum Vocabularies {
  static let llm = Result { try open("tokenizer/ggml-vocab-deepseek-llm.gguf") }
  static let coder = Result { try open("tokenizer/ggml-vocab-deepseek-coder.gguf") }
  static let demo = Result { try Tokenizer(ModelArchive.open(Fixtures.demoModel)) }

  static func tokenizer(_ name: String) throws -> Tokenizer {
    try name == "deepseek-llm" ? llm.get() : coder.get()
  }

  static func open(_ name: String) throws -> Tokenizer {
    try Tokenizer(ModelArchive.open(Fixtures.path(name)))
  }

  /// The vocabulary of Coder v1 under another pre-tokenizer, as the vectors of V3 and Kimi have it.
  static func coder(preTokenizer: String) throws -> Tokenizer {
    let archive = try ModelArchive.open(
      Fixtures.path("tokenizer/ggml-vocab-deepseek-coder.gguf"))
    guard case .gguf(let metadata) = archive.container else { fatalError("not a GGUF file") }
    var file = VocabularyFile(preTokenizer: preTokenizer)
    file.texts = try metadata.strings("tokenizer.ggml.tokens").map(Array.init)
    file.kinds = try metadata.integers("tokenizer.ggml.token_type").map(Int32.init)
    file.merges = try metadata.strings("tokenizer.ggml.merges").map(Array.init)
    return try file.tokenizer()
  }
}

/// Numbers that look random and are the same in every run (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
    return mixed ^ mixed >> 31
  }

  /// A text of `count` scalars from all planes, about half of them ASCII.
  mutating func text(count: Int) -> String {
    var text = String.UnicodeScalarView()
    while text.count < count {
      let limits: [UInt32] = [0x80, 0x80, 0x80, 0x250, 0x3000, 0x10000, 0x20000, 0x110000]
      let limit = limits[Int.random(in: 0..<limits.count, using: &self)]
      if let scalar = Unicode.Scalar(UInt32.random(in: 0..<limit, using: &self)) {
        text.append(scalar)
      }
    }
    return String(text)
  }
}
