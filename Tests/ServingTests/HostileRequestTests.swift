import Foundation
import Hummingbird
import HummingbirdTesting
import Serving
import Testing
import Tokenization

/// Classes of requests that have brought down or slowed down other servers.
///
/// None of them may reach the model, end the process, or take longer than its size explains.
@Suite(.timeLimit(.minutes(10))) struct HostileRequestTests {
  /// A request that is to be refused.
  struct Case: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let path: String
    let body: String

    init(_ name: String, _ path: String, _ body: String) {
      testDescription = name
      self.path = path
      self.body = body
    }

    /// A field of a chat.
    init(_ name: String, _ field: String) { self.init(name, chat, hello + "," + field + "}") }

    /// A schema that a chat is to be kept to.
    static func schema(_ name: String, _ schema: String) -> Case {
      Case(
        name,
        #""response_format":{"type":"json_schema","json_schema":{"name":"x","strict":true,"#
          + #""schema":\#(schema)}}"#)
    }
  }

  private static func list(_ count: Int, _ element: (Int) -> String) -> String {
    (0..<count).map(element).joined(separator: ",")
  }

  private static let texts = "/v1/completions"

  static let numbers = [
    Case("a huge n", #""n":9223372036854775807"#),
    Case("a negative n", #""n":-9223372036854775808"#),
    Case("a number beyond 64 bits", #""n":18446744073709551617"#),
    Case("an infinite temperature", #""temperature":1e999"#),
    Case("the least of all integers", #""max_tokens":-9223372036854775808"#),
    Case("a negative token", texts, #"{"prompt":[-1]}"#),
    Case("a token beyond 32 bits", texts, #"{"prompt":[4294967296]}"#),
    Case("a biased token beyond 32 bits", #""logit_bias":{"4294967296":1}"#),
    Case("a thousand digits", #""seed":1"# + String(repeating: "0", count: 1000)),
  ]

  static let lists = [
    Case("an empty prompt", texts, #"{"prompt":[]}"#),
    Case("many prompts", texts, #"{"prompt":["# + list(33) { _ in #""x""# } + "]}"),
    Case(
      "prompts times answers", texts, #"{"prompt":["# + list(32) { _ in #""x""# } + #"],"n":16}"#),
    Case("biases without end", #""logit_bias":{"# + list(1025) { #""\#($0)":1"# } + "}"),
    Case(
      "messages without end", chat,
      #"{"messages":["# + list(5000) { _ in #"{"role":"user","content":"x"}"# } + "]}"),
    Case(
      "tools without end",
      #""tools":["# + list(129) { #"{"type":"function","function":{"name":"f\#($0)"}}"# } + "]"),
    Case("a long stop string", #""stop":""# + String(repeating: "x", count: 1 << 20) + "\""),
    Case(
      "more than the context", chat,
      #"{"messages":[{"role":"user","content":""# + String(repeating: "word ", count: 5000)
        + #""}]}"#),
  ]

  static let programs = [
    Case("a program as a template", #""chat_template":"{{ x }}""#),
    Case("arguments of a template", #""chat_template_kwargs":{"x":1}"#),
    Case(
      "a picture", chat,
      #"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"file:///etc/x"}}]}]}"#
    ),
    Case("a tensor", #""prompt_embeds":"AAAA""#),
    Case("a guided regular expression", #""guided_regex":"(a+)+$""#),
    Case("a grammar", #""grammar":"root ::= root""#),
    Case("a suffix to tokens", texts, #"{"prompt":[1],"suffix":"x"}"#),
    Case("names that are canonically equal", chat, #"{"messages":[],"\u00e9":1,"e\u0301":1}"#),
    .schema("a regular expression that looks back", #"{"type":"string","pattern":"(a)\\1"}"#),
    .schema(
      "a regular expression that multiplies", #"{"pattern":"((((a{999}){999}){999}){999}){999}"}"#),
    .schema("a schema of the wrong type", "7"),
    .schema("a schema that is its own part", ##"{"$ref":"#"}"##),
    .schema(
      "a schema that nothing fits",
      ##"{"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]}"##),
  ]

  @Test(arguments: numbers + lists + programs)
  func itIsRefused(_ hostile: Case) async throws {
    let log = ScriptedModel.Log()
    try await server(log: log).application().test(.router) { client in
      let (status, answer) = try await post(hostile.path, hostile.body, to: client)
      #expect(status == 400)
      let error = answer["error"] as? [String: Any]
      #expect(error?["type"] as? String == "invalid_request_error")
      #expect((error?["message"] as? String)?.utf8.count ?? .max < 600, "echoes the request")
      #expect(log.all.isEmpty)
    }
  }

  @Test(
    arguments: [
      [0xFF, 0xFE], [0x22, 0xC3, 0x28, 0x22], [0x22, 0xED, 0xA0, 0x80, 0x22],
      [0xEF, 0xBB, 0xBF, 0x7B, 0x7D],
      [0x22, 0xF8, 0x88, 0x80, 0x80, 0x80, 0x22], [0x00], [0x7B, 0x00, 0x7D],
    ] as [[UInt8]])
  func bytesThatAreNoTextAreRefused(bytes: [UInt8]) async throws {
    try await server().application().test(.router) { client in
      for path in [chat, "/v1/completions", "/v1/responses", "/tokenize", "/detokenize"] {
        let response = try await client.executeRequest(
          uri: path, method: .post, headers: [:], body: ByteBuffer(bytes: bytes))
        #expect(response.status == .badRequest)
      }
    }
  }

  /// Four megabytes of one letter, or of letters that merge: time is linear in them.
  @Test(arguments: ["a", " ", "\\n", "ab", "🤗", "=", "1", "a "])
  func longTextsAreReadInLinearTime(unit: String) async throws {
    try await server().application().test(.router) { client in
      let text = String(repeating: unit, count: (3 << 20) / unit.utf8.count)
      let response = try await client.executeRequest(
        uri: "/tokenize", method: .post, headers: [:],
        body: ByteBuffer(string: #"{"content":"\#(text)"}"#))
      #expect(response.status == .ok)
    }
  }

  @Test func aConstraintThatTheModelCannotMeetEndsAtItsLength() async throws {
    try await server("x").application().test(.router) { client in
      let format =
        #"{"type":"json_schema","json_schema":{"name":"a","schema":{"type":"array","minItems":500}}}"#
      let (status, body) = try await post(
        chat, hello + #","max_tokens":20,"response_format":\#(format)}"#, to: client)
      #expect(status == 200 && choice(body)["finish_reason"] as? String == "length")
    }
  }
}
