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

/// A vocabulary-only GGUF file made for a test: the 256 bytes first, then what the test adds.
struct VocabularyFile {
  var preTokenizer: String
  var model = "gpt2"
  var texts: [[UInt8]] = byteTexts.map { Array($0.utf8) }
  var kinds: [Int32] = Array(repeating: 1, count: 256)
  var merges: [[UInt8]] = [Array("a b".utf8)]
  var template: String?
  var integers: [String: Int] = [:]

  init(preTokenizer: String = "deepseek-v3") {
    self.preTokenizer = preTokenizer
    add("ab", kind: 1)
  }

  /// The scalars that stand for the bytes 0 to 255.
  static let byteTexts: [String] = {
    var next: UInt32 = 0x100
    return (UInt32(0)..<256).map { byte in
      let isItself = 33...126 ~= byte || 161...172 ~= byte || 174...255 ~= byte
      defer { if !isItself { next += 1 } }
      return Unicode.Scalar(isItself ? byte : next).map { String($0) } ?? ""
    }
  }()

  mutating func add(_ texts: String..., kind: Int32) {
    for text in texts {
      self.texts.append(Array(text.utf8))
      kinds.append(kind)
    }
  }

  func tokenizer() throws -> Tokenizer {
    let path = NSTemporaryDirectory() + "vocabulary-\(UUID()).gguf"
    defer { try? FileManager.default.removeItem(atPath: path) }
    var blueprint = GGUFBlueprint()
    blueprint.set("general.architecture", string: "llama")
    blueprint.set("tokenizer.ggml.model", string: model)
    blueprint.set("tokenizer.ggml.pre", string: preTokenizer)
    blueprint.set("tokenizer.ggml.tokens", strings: Self.array(texts))
    blueprint.set("tokenizer.ggml.token_type", i32s: kinds)
    blueprint.set("tokenizer.ggml.merges", strings: Self.array(merges))
    for (key, value) in integers { blueprint.set("tokenizer.ggml." + key, u32: value) }
    if let template { blueprint.set("tokenizer.chat_template", string: template) }
    try GGUFWriter(blueprint, to: path).finish()
    return try Tokenizer(ModelArchive.open(path))
  }

  private static func array(_ texts: [[UInt8]]) -> StringArray {
    var array = StringArray()
    for text in texts { array.append(text) }
    return array
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
