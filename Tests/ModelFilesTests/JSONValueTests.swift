import Foundation
import ModelFiles
import TestSupport
import Testing

@Suite struct JSONValueTests {
  private func parse(_ text: String) throws -> JSONValue {
    try JSONValue(parsing: Array(text.utf8))
  }

  private func refusal(_ bytes: [UInt8]) -> String? {
    #expect(throws: JSONError.self) { try JSONValue(parsing: bytes) }?.description
  }

  @Test func valuesOfEveryKind() throws {
    let json = try parse(
      #" { "a" : [ 1 , -2.5e3, true, false, null, "x" ] , "b" : { } , "": [] } "#)
    #expect(
      json["a"]?.array == [
        .integer(1), .number(-2500), .bool(true), .bool(false), .null, .string("x"),
      ])
    #expect(json["b"]?.object?.isEmpty == true)
    #expect(json[""]?.array?.isEmpty == true)
    #expect(json["c"] == nil)
    #expect(json.object?.map(\.key) == ["a", "b", ""])
  }

  @Test func integersStayExact() throws {
    #expect(try parse("9223372036854775807") == .integer(.max))
    #expect(try parse("-9223372036854775808") == .integer(.min))
    #expect(try parse("9223372036854775808") == .number(0x1p63))
    #expect(try parse("9223372036854775808").integer == nil)
    #expect(try parse("9007199254740993").integer == 9_007_199_254_740_993)
    #expect(try parse("1e3").integer == 1000)
    #expect(try parse("1e300").integer == nil)
    #expect(try parse("1e-06").number == 1e-6)
    #expect(try parse("-0").integer == 0)
    #expect(try parse("40").number == 40)
  }

  @Test func escapesAndPairsOfSurrogates() throws {
    #expect(
      try parse(#""\"\\\/\b\f\n\r\t\u0041\uFF5c\uD83D\uDE00""#)
        == .string("\"\\/\u{8}\u{C}\n\r\tA｜😀"))
    #expect(try parse(#""a\u0000b""#) == .string("a\0b"))
  }

  @Test(arguments: [
    (#""\uD83D""#, "byte 1: half a surrogate pair"),
    (#""\uDE00""#, "byte 1: half a surrogate pair"),
    (#""\uD83D\n""#, "byte 1: half a surrogate pair"),
    (#""\uD83D\u0041""#, "byte 1: half a surrogate pair"),
    (#""\u12G4""#, "byte 5: a \\u escape needs four hexadecimal digits"),
    (#""\x""#, "byte 2: an unknown escape in a string"),
    (#""abc"#, "byte 4: the text ends inside a string"),
    (#""abc\"#, "byte 5: an unknown escape in a string"),
    (#"{"a":1,"a":2}"#, "byte 7: the name \"a\" appears twice"),
    (#"{"a":1,"\u0061":2}"#, "byte 7: the name \"a\" appears twice"),
    (#"{"a" 1}"#, "byte 5: a colon is missing"),
    (#"{1:2}"#, "byte 1: a member's name is missing"),
    (#"{"a":1,}"#, "byte 7: a member's name is missing"),
    ("[1,]", "byte 3: no JSON value starts like this"),
    ("[1 2]", "byte 3: a comma or bracket is missing"),
    ("[1", "byte 2: the text ends early"),
    ("", "byte 0: the text ends early"),
    ("  ", "byte 2: the text ends early"),
    ("1 2", "byte 2: more text after the value"),
    ("tru", "byte 0: no JSON value starts like this"),
    ("nul", "byte 0: no JSON value starts like this"),
    ("+1", "byte 0: no JSON value starts like this"),
    ("NaN", "byte 0: no JSON value starts like this"),
    ("01", "byte 1: more text after the value"),
    ("-", "byte 1: a digit is missing"),
    ("1.", "byte 2: a digit is missing"),
    (".5", "byte 0: no JSON value starts like this"),
    ("1e", "byte 2: a digit is missing"),
    ("1e999", "byte 0: the number is out of range"),
    ("\u{FEFF}{}", "byte 0: no JSON value starts like this"),
  ])
  func malformedTextsAreRefused(_ text: String, _ error: String) {
    #expect(refusal(Array(text.utf8)) == error)
  }

  @Test(
    arguments: [
      [0x22, 0xFF, 0x22], [0x22, 0xC3, 0x22], [0x22, 0xC0, 0x80, 0x22],
      [0x22, 0xED, 0xA0, 0x80, 0x22],
      [0x22, 0xF4, 0x90, 0x80, 0x80, 0x22], [0x22, 0x5C, 0x6E, 0xFF, 0x22],
    ] as [[UInt8]])
  func invalidUTF8IsRefused(_ bytes: [UInt8]) {
    #expect(refusal(bytes) == "byte 1: a string is not valid UTF-8")
  }

  @Test func controlCharactersAreRefused() {
    #expect(refusal([0x22, 0x00, 0x22]) == "byte 1: a control character in a string")
    #expect(refusal([0x22, 0x5C, 0x6E, 0x0A, 0x22]) == "byte 3: a control character in a string")
    #expect(refusal([0x31, 0x00]) == "byte 1: more text after the value")
    #expect(refusal([0x00]) == "byte 0: no JSON value starts like this")
  }

  @Test func sixtyFourLevelsAreTheLimit() throws {
    func nested(_ depth: Int) -> [UInt8] {
      Array(String(repeating: "[", count: depth).utf8)
        + Array(String(repeating: "]", count: depth).utf8)
    }
    #expect(try JSONValue(parsing: nested(64)).array?.count == 1)
    #expect(refusal(nested(65)) == "byte 64: nested more than 64 deep")
    #expect(
      refusal([UInt8](repeating: 0x5B, count: 1_000_000)) == "byte 64: nested more than 64 deep")
    let objects = Array(String(repeating: #"{"a":"#, count: 100_000).utf8)
    #expect(refusal(objects) == "byte 320: nested more than 64 deep")
  }

  @Test func namesAreComparedByBytes() throws {
    let json = try parse("{\"\u{E9}\": 1, \"e\u{301}\": 2}")
    #expect(json["\u{E9}"] == .integer(1))
    #expect(json["e\u{301}"] == .integer(2))
  }

  @Test func largeObjectsFindEveryMember() throws {
    let text = "{" + (0..<5000).map { "\"name \($0)\": \($0)" }.joined(separator: ",") + "}"
    let object = try #require(try parse(text).object)
    #expect((0..<5000).allSatisfy { object["name \($0)"] == .integer($0) })
    #expect(object["name 5000"] == nil)
    #expect(
      refusal(Array((text.dropLast() + ",\"name 17\":0}").utf8))?.contains(
        "\"name 17\" appears twice") == true)
  }

  @Test func everyPrefixIsRefused() throws {
    let text = Array(#"{"a": [1.5e-3, "x\n\u00e9\ud83d\ude00", {"b": null}], "c": true}"#.utf8)
    for count in 0..<text.count {
      #expect(throws: JSONError.self) { try JSONValue(parsing: Array(text[..<count])) }
    }
    _ = try JSONValue(parsing: text)
  }

  @Test func randomBytesNeverCrash() {
    var random = SeededGenerator(seed: 42)
    let alphabet = Array("{}[]\",:\\ue0123456789.-+tfn \n".utf8) + [0, 0xC3, 0xFF]
    for _ in 0..<20000 {
      let count = Int.random(in: 0..<40, using: &random)
      let bytes = (0..<count).map { _ in
        alphabet[Int.random(in: 0..<alphabet.count, using: &random)]
      }
      _ = try? JSONValue(parsing: bytes)
    }
  }

  @Test(arguments: ["v2-lite-like", "v3-like", "coder-v1-like"])
  func agreesWithFoundationOnRealFiles(_ model: String) throws {
    for name in ["config.json", "tokenizer.json", "reference.json"] {
      let data = try Fixtures.data("models/\(model)/\(name)")
      let json = try JSONValue(parsing: [UInt8](data))
      #expect(isSame(json, try JSONSerialization.jsonObject(with: data)), "\(name)")
    }
  }

  private func isSame(_ json: JSONValue, _ other: Any) -> Bool {
    switch json {
    case .null: other is NSNull
    case .bool(let value): other as? Bool == value
    case .integer(let value): (other as? NSNumber)?.intValue == value
    case .number(let value):
      // Foundation parses through Decimal and may be off in the last place.
      abs(((other as? NSNumber)?.doubleValue ?? .nan) - value) <= abs(value) * 0x1p-50
    case .string(let value): other as? String == value
    case .array(let values):
      (other as? [Any]).map { other in
        other.count == values.count && zip(values, other).allSatisfy(isSame)
      } ?? false
    case .object(let object):
      (other as? [String: Any]).map { other in
        other.count == object.count
          && object.allSatisfy { member in
            other[member.key].map { isSame(member.value, $0) } ?? false
          }
      } ?? false
    }
  }

  @Test(arguments: [
    (#""a\uD83D""#, "a\u{FFFD}"), (#""\uDE00b""#, "\u{FFFD}b"), (#""\uD83D\n""#, "\u{FFFD}\n"),
    (#""\uD83D\u0041""#, "\u{FFFD}A"), (#""\uD83D\uD83D\uDE00""#, "\u{FFFD}\u{1F600}"),
  ])
  func `halves of pairs are replaced on demand`(text: String, expected: String) throws {
    let value = try JSONValue(parsing: Array(text.utf8), replacingHalfPairs: true)
    #expect(value == .string(expected))
  }

  @Test func `strings are the same by their bytes`() {
    #expect(JSONValue.string("caf\u{E9}") != JSONValue.string("cafe\u{301}"))
    #expect(
      Set([JSONValue.string("caf\u{E9}"), .string("cafe\u{301}"), .string("caf\u{E9}")]).count == 2)
  }
}
