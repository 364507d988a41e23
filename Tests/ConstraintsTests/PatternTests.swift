import Constraints
import Foundation
import ModelFiles
import Testing

/// Patterns, formats and bounds of numbers: what is read is all that fits, and nothing else.
@Suite(.timeLimit(.minutes(10))) struct PatternTests {
  /// All texts of up to four letters of a small alphabet.
  static let texts: [String] = {
    var all = [""]
    var last = [""]
    for _ in 0..<4 {
      last = last.flatMap { text in ["a", "b", "c", "1"].map { text + $0 } }
      all += last
    }
    return all
  }()

  private func grammar(_ schema: JSONValue) throws -> Grammar {
    try Grammar(.json(schema: schema))
  }

  private func isRead(_ text: String, by grammar: Grammar) -> Bool {
    grammar.accepts(Array(JSONValue.string(text).text().utf8))
  }

  @Test(
    arguments: [
      "", "a", "^a", "a$", "^a$", "^$", "ab|^c", "(^a|b$)c?", "^(a|bc)*$", "^(ab?){2,3}$",
      "^[^a]*1$",
      "^.{2}$", "^(a*)*b$", "^(a|b)*a(a|b){2}$", "^(|a)+$", "a{2}", "a{0}", "^a{2,}?b", "^[a-b1]+$",
      #"^\d"#, #"\D\d$"#, #"^\w{4}$"#, #"\S\S\S\S"#, "^(?:a(?<x>b|c)){1,2}$", "$a|b", "^a|b$|1",
    ]
  ) func aPatternReadsWhatItIsFoundIn(pattern: String) throws {
    let grammar = try grammar(["type": "string", "pattern": .string(pattern)])
    for text in Self.texts {
      #expect(isRead(text, by: grammar) == SchemaChecker.has(pattern, text), "\(text)")
    }
  }

  @Test func lengthsAndPatternsGoTogether() throws {
    let schema = try json(#"{"pattern":"a1?$","minLength":2,"maxLength":4}"#)
    let grammar = try grammar(schema)
    for text in Self.texts {
      let fits = SchemaChecker(root: schema).fits(.string(text), schema)
      #expect(isRead(text, by: grammar) == fits, "\(text)")
    }
  }

  @Test(
    arguments: [
      (#"^\u00e9$"#, "é", true), (#"^\u{1F600}$"#, "😀", true), (#"^\uD83D\uDE00$"#, "😀", true),
      ("^[а-я]{2}$", "да", true), ("^[а-я]{2}$", "дa", false), ("^.$", "𝄞", true),
      ("^.$", "\n", false),
      ("^[^a]$", "\n", true), (#"^[\s]$"#, "\u{3000}", true), (#"^\S$"#, "\u{3000}", false),
      (#"^\w$"#, "é", false), (#"^\W$"#, "é", true), (#"^["\\/]{3}$"#, #""\/"#, true),
      (#"^\x01\cA?$"#, "\u{1}", nil), (#"^\x01\t$"#, "\u{1}\t", true),
      ("^[\u{7FF}-\u{801}]$", "\u{800}", true),
      ("^[\u{7FF}-\u{801}]$", "\u{802}", false), ("^[\u{D000}-\u{E001}]$", "\u{E000}", true),
      ("^a{,2}$", "a{,2}", true), ("^a-b]$", "a-b]", true), ("^[a-]$", "-", true),
      (#"^[\d-x]$"#, "-", true),
    ] as [(String, String, Bool?)]
  ) func charactersAreThoseThatAreMeant(pattern: String, text: String, fits: Bool?) throws {
    let schema: JSONValue = ["pattern": .string(pattern)]
    guard let fits else {
      #expect(throws: SchemaError.self) { try grammar(schema) }
      return
    }
    #expect(try isRead(text, by: grammar(schema)) == fits)
  }

  @Test(
    arguments: [
      "(", ")", "[", "a)", "*", "a**", "^*", "\\", #"\p{L}"#, #"\1"#, #"\k<x>"#, #"\b"#, "(?=a)",
      "(?<!a)",
      "(?i)a", "[b-a]", "a{2,1}", "a{5000}", #"\u{110000}"#, #"\uD800"#, #"\x4"#, "(?<x",
      String(repeating: "(", count: 40) + String(repeating: ")", count: 40),
      String(repeating: "a", count: 2001), "((((){999}){999}){999}){999}",
    ]
  ) func whatCannotBeReadIsRefused(pattern: String) {
    let error = #expect(throws: SchemaError.self) {
      try grammar(["pattern": .string(pattern)])
    }
    #expect(error?.description.hasPrefix("pattern: the pattern cannot be kept to: ") == true)
  }

  @Test(
    arguments: [
      ("date", "2024-02-29", true), ("date", "2023-02-29", false), ("date", "1900-02-29", false),
      ("date", "2000-02-29", true), ("date", "2024-04-31", false), ("date", "2024-12-31", true),
      ("date-time", "2024-02-29T23:59:59Z", true), ("date-time", "2024-02-29T24:00:00Z", false),
      ("date-time", "2024-02-29T00:00:00.123456+05:30", true), ("time", "00:00:00", false),
      ("duration", "P1Y2M3DT4H5M6S", true), ("duration", "P2W", true), ("duration", "PT", false),
      ("duration", "P1D2W", false), ("duration", "PT1H", true), ("ipv4", "255.0.10.1", true),
      ("ipv4", "256.0.0.1", false), ("ipv4", "01.0.0.1", false), ("ipv6", "::", true),
      ("ipv6", "::1", true), ("ipv6", "fe80::1:2", true), ("ipv6", "1:2:3:4:5:6:7:8", true),
      ("ipv6", "1:2:3:4:5:6:7", false), ("ipv6", "1::2::3", false), ("ipv6", "1::", true),
      ("uuid", "123e4567-e89b-12d3-a456-426614174000", true), ("uuid", "123e4567", false),
      ("hostname", "a-b.example", true), ("hostname", "-a.example", false),
      ("email", "jo.hn+x@example.com", true), ("email", ".jo@example.com", false),
      ("email", "jo@example", false), ("uri", "anything", true),
    ]
  ) func formatsAreKeptTo(format: String, text: String, fits: Bool) throws {
    let grammar = try grammar(["type": "string", "format": .string(format)])
    #expect(isRead(text, by: grammar) == fits)
  }

  /// Bounds with few digits, decimals near them: what the grammar reads is what is between.
  @Test func numbersBetweenBoundsAreRead() throws {
    var random = SeededRandom(seed: 3)
    let scales: [Double] = [1, 10, 100, 1000]
    func decimal() -> Double {
      let scale = scales.randomElement(using: &random) ?? 1
      return Double(Int.random(in: -1500...1500, using: &random)) / scale
    }
    for _ in 0..<200 {
      let (a, b) = (decimal(), decimal())
      let keywords = (
        Bool.random(using: &random) ? "minimum" : "exclusiveMinimum",
        Bool.random(using: &random) ? "maximum" : "exclusiveMaximum"
      )
      let schema = try json(
        #"{"type":"number","\#(keywords.0)":\#(min(a, b)),"\#(keywords.1)":\#(max(a, b))}"#)
      guard a != b, let grammar = try? grammar(schema) else { continue }
      for text in (0..<100).map({ _ in "\(decimal())" }) + [
        "\(a)", "\(b)", "0", "-0.5", "\(Int(a))",
      ] {
        let value = try json(text)
        let isPlain = text != "-0.0"  // zero is written without a sign
        let fits = isPlain && SchemaChecker(root: schema).fits(value, schema)
        #expect(grammar.accepts(text.utf8) == fits, "\(text) \(schema.text())")
      }
    }
  }

  /// All numbers of few digits: what the grammar reads is what is a multiple, within the bounds.
  @Test(
    arguments: [
      ("integer", 7.0, ""), ("integer", 5, #","minimum":-12.5,"exclusiveMaximum":95"#),
      ("integer", 2.5, ""), ("integer", 12, #","minimum":11,"maximum":100"#), ("integer", 1000, ""),
      ("number", 0.25, #","minimum":0.3,"maximum":5"#), ("number", 0.01, ""), ("number", 0.3, ""),
      ("number", 30, ""), ("number", 0.5, #","exclusiveMinimum":-3.5,"exclusiveMaximum":0"#),
    ]
  ) func multiplesAreRead(type: String, step: Double, bounds: String) throws {
    let schema = try json(#"{"type":"\#(type)","multipleOf":\#(step)\#(bounds)}"#)
    let grammar = try grammar(schema)
    let checker = SchemaChecker(root: schema)
    var count = 0
    for scaled in -120_000...120_000 where abs(scaled) < 1500 || scaled.isMultiple(of: 100) {
      let (whole, rest) = scaled.magnitude.quotientAndRemainder(dividingBy: 100)
      var text = (scaled < 0 ? "-" : "") + "\(whole)"
      if rest % 10 > 0 { text += rest < 10 ? ".0\(rest)" : ".\(rest)" }
      if rest > 0, rest % 10 == 0 { text += ".\(rest / 10)" }
      let fits = try checker.fits(json(text), schema)
      #expect(grammar.accepts(text.utf8) == fits, "\(text) \(schema.text())")
      count += fits ? 1 : 0
    }
    #expect(count > 1)
  }

  /// Where digits leave no multiple, an answer must not get into them.
  @Test func boundsWithoutMultiplesAreRefused() throws {
    let schema = try json(#"{"type":"integer","multipleOf":5,"minimum":11,"maximum":14}"#)
    #expect(throws: SchemaError.self) { try grammar(schema) }
    let largest = try json(#"{"type":"number","multipleOf":0.397,"minimum":-1e15}"#)
    #expect(try grammar(largest).accepts("-39.7".utf8))
  }

  @Test(
    arguments: [
      (#"{"type":"number","minimum":0,"maximum":1}"#, "1.00000000000000", true),
      (#"{"type":"number","minimum":0,"maximum":1}"#, "1.00000000000001", false),
      (#"{"type":"number","minimum":0,"maximum":1}"#, "00.5", false),
      (#"{"type":"number","minimum":0,"maximum":1}"#, ".5", false),
      (#"{"type":"number","minimum":0,"maximum":1}"#, "0.", false),
      (#"{"type":"number","minimum":1e-20,"maximum":1}"#, "0", false),
      (#"{"type":"number","minimum":1e-20,"maximum":1}"#, "0.00001", true),
      (#"{"type":"number","minimum":-1e300}"#, "-9999999999999999", true),
      (#"{"type":"number","exclusiveMaximum":0}"#, "0", false),
      (#"{"type":"number","exclusiveMaximum":0}"#, "-0.0", false),
      (#"{"type":"number","exclusiveMaximum":0}"#, "-0.001", true),
      (#"{"type":"number","minimum":100,"maximum":20000}"#, "99.99", false),
      (#"{"type":"number","minimum":100,"maximum":20000}"#, "20000.0", true),
      (#"{"type":"number","minimum":100,"maximum":20000}"#, "1234.5", true),
    ]
  ) func digitsOfBoundsAreFollowed(schema: String, text: String, fits: Bool) throws {
    #expect(try grammar(json(schema)).accepts(text.utf8) == fits)
  }
}
