extension PreTokenizer {
  /// Stands for a step of type Digits, each digit alone.
  static let digits = "digits"
  /// Stands for a step of type ByteLevel without an expression of its own.
  static let bytes = "bytes"

  /// The steps of tokenizer.json that mean this pre-tokenizer: expressions, `digits`, `bytes`.
  var steps: [String] {
    switch self {
    case .deepseekLLM:
      [
        "[\r\n]", "\\s?[\(Self.casedLetters)]+", "\\s?[!-/:-~！-／：-～‘-‟　-。]+", "\\s+$",
        Self.eastAsian, Self.digits, Self.bytes,
      ]
    case .deepseekCoder:
      ["[\r\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", Self.eastAsian, Self.digits, Self.bytes]
    case .deepseekV3:
      [
        "\\p{N}{1,3}", "[\u{4E00}-\u{9FA5}\u{3040}-\u{309F}\u{30A0}-\u{30FF}]+",
        ##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|"##
          + #" ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#,
        Self.bytes,
      ]
    case .kimiK2: [Self.kimi, Self.bytes]
    }
  }

  /// An expression with `\r` and `\n` written as the characters themselves; files have either.
  static func unescaped(_ expression: String) -> String {
    var result = String.UnicodeScalarView()
    var isEscaped = false
    for scalar in expression.unicodeScalars {
      if isEscaped, scalar == "r" || scalar == "n" {
        result.removeLast()
        result.append(scalar == "r" ? "\r" : "\n")
      } else {
        result.append(scalar)
      }
      isEscaped = scalar == "\\" && !isEscaped
    }
    return String(result)
  }

  private static let eastAsian = "[\u{4E00}-\u{9FA5}\u{800}-\u{4E00}\u{AC00}-\u{D7FF}]+"

  private static let kimi: String = {
    let upper = #"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]"#
    let lower = #"[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]"#
    let prefix = #"[^\r\n\p{L}\p{N}]?"#
    let contraction = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    return [
      #"[\p{Han}]+"#, prefix + upper + "*" + lower + "+" + contraction,
      prefix + upper + "+" + lower + "*" + contraction, #"\p{N}{1,3}"#,
      #" ?[^\s\p{L}\p{N}]+[\r\n]*"#, #"\s*[\r\n]+"#, #"\s+(?!\S)"#, #"\s+"#,
    ].joined(separator: "|")
  }()

  /// The ranges of deepseek-llm's second expression as they stand in it.
  private static var casedLetters: String {
    var text = String.UnicodeScalarView()
    for range in ScalarRanges.casedLetters {
      guard let first = Unicode.Scalar(range.lowerBound),
        let last = Unicode.Scalar(range.upperBound)
      else { continue }
      text.append(first)
      if first != last { text.append(contentsOf: ["-", last]) }
    }
    return String(text)
  }
}
