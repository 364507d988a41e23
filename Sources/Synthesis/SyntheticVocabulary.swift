internal import ModelFiles

/// A vocabulary of the right size: bytes, a few merges, invented words, the special tokens.
///
/// Every text can be encoded (byte by byte, with common letter pairs merged), and what a model
/// with random weights says is at least pronounceable.
struct SyntheticVocabulary {
  private(set) var tokens = StringArray()
  /// 1 normal, 3 control, 5 unused.
  private(set) var types: [Int32] = []
  private(set) var merges = StringArray()

  init(_ style: VocabularyStyle, count: Int) {
    let controls = style.controls
    var words = Words()
    for (left, right) in Words.pairs { merges.append("\(left) \(right)".utf8) }
    for id in 0..<count {
      if let control = controls[id] {
        tokens.append(control.utf8)
        types.append(3)
      } else if id >= style.paddingStart {
        tokens.append("[PAD\(id)]".utf8)
        types.append(5)
      } else {
        tokens.append(words.next().utf8)
        types.append(1)
      }
    }
  }
}

/// Tokens of ordinary text in a fixed order: bytes, letter pairs, then invented words.
private struct Words {
  private var index = 0

  /// Letters that one merge joins, likelier ones first.
  static let pairs: [(String, String)] = {
    let letters = "etaoinshrdlcumwfgypbvkxjqz".map(String.init)
    return letters.map { ("Ġ", $0) } + letters.flatMap { left in letters.map { (left, $0) } }
  }()

  /// The 256 symbols that stand for bytes: printable ones themselves, the others from U+0100 on.
  private static let bytes: [String] = {
    let printable = (33...126).map { $0 } + (161...172).map { $0 } + (174...255).map { $0 }
    let rest = (0...255).filter { !printable.contains($0) }.indices.map { 256 + $0 }
    return (printable + rest).compactMap { Unicode.Scalar($0).map(String.init) }
  }()

  mutating func next() -> String {
    defer { index += 1 }
    if index < Self.bytes.count { return Self.bytes[index] }
    let pair = index - Self.bytes.count
    if pair < Self.pairs.count { return Self.pairs[pair].0 + Self.pairs[pair].1 }
    return "Ġ" + Self.word(pair - Self.pairs.count)
  }

  /// Two syllables or more, a different word for every number.
  private static func word(_ number: Int) -> String {
    let consonants = ["b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z"]
    let vowels = ["a", "e", "i", "o", "u"]
    let base = consonants.count * vowels.count
    var text = ""
    var rest = number + base
    while rest > 0 {
      text += consonants[rest % base / vowels.count] + vowels[rest % vowels.count]
      rest /= base
    }
    return text
  }
}

extension GGUFBlueprint {
  /// Adds the tokenizer's keys.
  mutating func describe(_ vocabulary: SyntheticVocabulary, _ style: VocabularyStyle) {
    set("tokenizer.ggml.model", string: "gpt2")
    set("tokenizer.ggml.pre", string: style.preTokenizer)
    set("tokenizer.ggml.tokens", strings: vocabulary.tokens)
    set("tokenizer.ggml.token_type", i32s: vocabulary.types)
    set("tokenizer.ggml.merges", strings: vocabulary.merges)
    set("tokenizer.ggml.bos_token_id", u32: style.beginID)
    set("tokenizer.ggml.eos_token_id", u32: style.endID)
    set("tokenizer.ggml.padding_token_id", u32: style.endID)
    set("tokenizer.ggml.add_bos_token", bool: true)
    set("tokenizer.ggml.add_eos_token", bool: false)
  }
}
