import Foundation
import ModelFiles
public import Tokenization

/// A vocabulary-only GGUF file made for a test: the 256 bytes first, then what the test adds.
public struct VocabularyFile {
  /// `tokenizer.ggml.pre`.
  public var preTokenizer: String
  /// `tokenizer.ggml.model`.
  public var model = "gpt2"
  /// The tokens in the byte alphabet.
  public var texts: [[UInt8]] = byteTexts.map { Array($0.utf8) }
  /// What each token is.
  public var kinds: [Int32] = Array(repeating: 1, count: 256)
  /// Pairs that become one token.
  public var merges: [[UInt8]] = [Array("a b".utf8)]
  /// The chat template.
  public var template: String?
  /// Further metadata below `tokenizer.ggml`.
  public var integers: [String: Int] = [:]

  /// The bytes, and the token `ab`.
  public init(preTokenizer: String = "deepseek-v3") {
    self.preTokenizer = preTokenizer
    add("ab", kind: 1)
  }

  /// The scalars that stand for the bytes 0 to 255.
  public static let byteTexts: [String] = {
    var next: UInt32 = 0x100
    return (UInt32(0)..<256).map { byte in
      let isItself = 33...126 ~= byte || 161...172 ~= byte || 174...255 ~= byte
      defer { if !isItself { next += 1 } }
      return Unicode.Scalar(isItself ? byte : next).map { String($0) } ?? ""
    }
  }()

  /// Adds tokens of one kind.
  public mutating func add(_ texts: String..., kind: Int32) {
    for text in texts {
      self.texts.append(Array(text.utf8))
      kinds.append(kind)
    }
  }

  /// Writes the file and reads it as a tokenizer.
  public func tokenizer() throws -> Tokenizer {
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
