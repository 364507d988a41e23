import Constraints
import ModelFiles
import Testing

@Suite struct GrammarTests {
  static let object = Result { try Grammar(.jsonObject) }

  @Test(arguments: [
    "{}", "{ \"a\": 1 }", #"{"a":[1,-2.5,1e9,0.1E-7,true,false,null,"x",{},[]]}"#,
    "{\n  \"a\": {\n    \"b\": []\n  }\n}", #"{"":"\"\\\/\b\f\n\r\t\u00e9\uD83D\uDE00"}"#,
    #"{"k":"é€😀 "}"#, "{\n\t\"a\": 1\n}", #"{"a":0,"b":-0}"#, #"{"a":"\uD7FF\uE000"}"#,
  ])
  func objectsAreAccepted(text: String) throws {
    #expect(try Self.object.get().accepts(text.utf8))
    _ = try json(text)
  }

  @Test(arguments: [
    "", "{", "}", "[]", "1", "{}x", "{}}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{,}", "{a:1}",
    "{\"a\":01}", "{\"a\":1.}", "{\"a\":.5}", "{\"a\":+1}", "{\"a\":1e}", "{\"a\":tru}",
    "{\"a\":\"\u{1}\"}", "{\"a\":\"\n\"}", #"{"a":"\x"}"#, #"{"a":"\u12"}"#, #"{"a":"\uD800"}"#,
    #"{"a":"\uDC00"}"#, #"{"a":"\uD800\u0041"}"#, "{\"a\" :1}", "{'a':1}", "{\"a\":1 \"b\":2}",
    "{\"a\":NaN}", "{\n\n\"a\":1}",
  ])
  func othersAreNot(text: String) throws {
    #expect(try !Self.object.get().accepts(text.utf8))
  }

  @Test(
    arguments: [
      [0x80], [0xC0, 0x80], [0xC1, 0xBF], [0xE0, 0x80, 0x80], [0xED, 0xA0, 0x80],
      [0xF0, 0x80, 0x80, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xFF],
      [0xC3], [0xE2, 0x82], [0xF0, 0x9F, 0x98], [0xC3, 0x28],
    ] as [[UInt8]])
  func onlyUTF8IsWritten(bytes: [UInt8]) throws {
    let text = Array("{\"a\":\"".utf8) + bytes + Array("\"}".utf8)
    #expect(try !Self.object.get().accepts(text))
  }

  @Test func everyScalarCanBeWritten() throws {
    let grammar = try Self.object.get()
    for value in stride(from: 0x20, through: 0x10FFFF, by: 97) {
      guard let scalar = Unicode.Scalar(UInt32(value)), scalar != "\"", scalar != "\\" else {
        continue
      }
      #expect(grammar.accepts("{\"a\":\"\(Character(scalar))\"}".utf8), "\(value)")
    }
  }

  @Test func nestingEndsAtTheDepthThatWeRead() throws {
    let grammar = try Self.object.get()
    func nested(_ depth: Int) -> String {
      String(repeating: "{\"a\":", count: depth - 1) + "{}"
        + String(repeating: "}", count: depth - 1)
    }
    #expect(grammar.accepts(nested(Grammar.depthLimit).utf8))
    _ = try json(nested(Grammar.depthLimit))
    #expect(!grammar.accepts(nested(Grammar.depthLimit + 1).utf8))
  }

  static let cases: [(String, accepted: [String], refused: [String])] = [
    (
      Schemas.person,
      [
        #"{"name":"A","age":7}"#, #"{"name": "A", "age": 150, "tags": ["x", "y"]}"#,
        #"{"name":"","age":0,"tags":[]}"#,
      ],
      [
        "{}", #"{"age":7,"name":"A"}"#, #"{"name":"A","age":151}"#, #"{"name":"A","age":-1}"#,
        #"{"name":"A","age":7,"x":1}"#, #"{"name":"A","age":7.5}"#, #"{"name":"A","age":07}"#,
      ]
    ),
    (
      Schemas.tree,
      [
        #"{"value":1.5,"children":[]}"#,
        #"{"value":1,"children":[{"value":2,"children":[{"value":3,"children":[]}]}]}"#,
      ], [#"{"value":1}"#, #"{"value":1,"children":[1]}"#]
    ),
    (
      Schemas.union,
      [#"{"kind":"cat","lives":9}"#, #"{"kind":"wolf"}"#, #"{"kind":"dog","good":true}"#, "null"],
      [#"{"kind":"cat"}"#, #"{"kind":"dog","lives":1}"#, #"{"kind":"cow"}"#, "true"]
    ),
    (
      #"{"type":"object","properties":{"a":{},"b":{},"c":{}},"required":["b"]}"#,
      [#"{"b":1}"#, #"{"a":1,"b":1}"#, #"{"b":1,"c":1}"#, #"{"a":1,"b":1,"c":1}"#],
      ["{}", #"{"a":1}"#, #"{"a":1,"c":1}"#, #"{"c":1,"b":1}"#, #"{,"b":1}"#]
    ),
    (
      #"{"type":"object","properties":{"ab":{"type":"null"}},"additionalProperties":{"type":"integer"}}"#,
      ["{}", #"{"ab":null}"#, #"{"ab":null,"a":1}"#, #"{"a":1,"abc":2,"é":3,"":4}"#, #"{"b":1}"#],
      [#"{"ab":1}"#, #"{"a":1,"ab":null}"#, #"{"ab":null,"ab":1}"#, #"{"\u0061b":1}"#]
    ),
    (
      #"{"type":"integer","minimum":-12,"maximum":105}"#,
      ["-12", "-9", "-1", "0", "5", "10", "99", "100", "105"],
      ["-13", "-0", "-20", "106", "110", "200", "1000", "00", "1.0"]
    ),
    (
      #"{"type":"string","minLength":2,"maxLength":3}"#,
      [#""ab""#, #""é€😀""#, #""\n\u00e9""#, #""\uD83D\uDE00x""#],
      [#""a""#, #""abcd""#, #""""#, #""\uD83D\uDE00""#]
    ),
    (
      #"{"type":"array","prefixItems":[{"type":"string"}],"items":{"type":"integer"},"maxItems":3}"#,
      ["[]", #"["a"]"#, #"["a",1]"#, #"["a", 1, 2]"#], ["[1]", #"["a","b"]"#, #"["a",1,2,3]"#]
    ),
  ]

  @Test(arguments: cases)
  func schemasAreKept(schema: String, accepted: [String], refused: [String]) throws {
    let schema = try json(schema)
    let grammar = try Grammar(.json(schema: schema))
    for text in accepted {
      #expect(grammar.accepts(text.utf8), "\(text)")
      #expect(SchemaChecker(root: schema).fits(try json(text), schema), "\(text)")
    }
    for text in refused { #expect(!grammar.accepts(text.utf8), "\(text)") }
  }

  @Test func shapesGoTogether() throws {
    let grammar = try Grammar(
      .sequence([
        .anyText(without: "<go>"),
        .optional(
          .sequence([
            .text("<go>"), .list(.choice([.text("a"), .text("b")]), separator: .text(",")), .space,
          ])),
      ]))
    for text in ["", "hi <go", "<<go>a", "x<go>a,b,a ", "<g<go>b\n  "] {
      #expect(grammar.accepts(text.utf8), "\(text)")
    }
    for text in ["<go>", "<go>a,", "<go>c", "<go>a<go>", "x<go>a,b  ,"] {
      #expect(!grammar.accepts(text.utf8), "\(text)")
    }
  }
}
