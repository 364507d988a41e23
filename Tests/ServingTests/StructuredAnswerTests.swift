import Foundation
import Hummingbird
import HummingbirdTesting
import Inference
import Serving
import Testing
import Tokenization

private func asking(_ format: String, _ rest: String = "") -> String {
  hello + #","response_format":\#(format)\#(rest)}"#
}

private func schema(_ text: String) -> String {
  #"{"type":"json_schema","json_schema":{"name":"answer","strict":true,"schema":\#(text)}}"#
}

private func content(_ body: [String: Any]) -> String {
  (choice(body)["message"] as? [String: Any])?["content"] as? String ?? ""
}

@Suite(.timeLimit(.minutes(10))) struct StructuredAnswerTests {
  @Test func whatFitsIsNotTouched() async throws {
    let text = #"{"name": "Ada", "tags": ["x"]}"#
    try await server(text).application().test(.router) { client in
      for format in [
        #"{"type":"json_object"}"#,
        schema(#"{"type":"object","properties":{"name":{"type":"string"},"tags":{}}}"#),
      ] {
        let (status, body) = try await post(chat, asking(format), to: client)
        #expect(status == 200 && content(body) == text)
        #expect(choice(body)["finish_reason"] as? String == "stop")
      }
    }
  }

  @Test func whatTheModelWouldSayOtherwiseIsKeptToTheSchema() async throws {
    try await server("maybe, who knows").application().test(.router) { client in
      let format = schema(#"{"enum":["yes","no",17]}"#)
      var seen: Set<String> = []
      for seed in 0..<12 {
        let rest = #","temperature":2,"seed":\#(seed)"#
        let (status, body) = try await post(chat, asking(format, rest), to: client)
        #expect(status == 200)
        seen.insert(content(body))
        let parts = try await events(
          chat, asking(format, rest + #","stream":true"#), to: client
        ).dropLast().map(parse)
        let text = parts.compactMap {
          (choice($0)["delta"] as? [String: Any])?["content"] as? String
        }
        #expect(text.joined() == content(body))
      }
      #expect(seen.isSubset(of: [#""yes""#, #""no""#, "17"]) && seen.count > 1)
    }
  }

  @Test func textCompletionsAreKeptToIt() async throws {
    try await server("[true]").application().test(.router) { client in
      let format = schema(#"{"type":"array","items":{"type":"boolean"},"maxItems":1}"#)
      let (status, body) = try await post(
        "/v1/completions", #"{"prompt":"x","response_format":\#(format)}"#, to: client)
      #expect(status == 200 && choice(body)["text"] as? String == "[true]")
    }
  }

  @Test func withoutStrictWhatCannotBeKeptIsLeftOut() async throws {
    let schema = #"{"type":"array","items":{"const":true},"minItems":1,"uniqueItems":true}"#
    let format = #"{"type":"json_schema","json_schema":{"name":"a","schema":\#(schema)}}"#
    let strict =
      #"{"type":"json_schema","json_schema":{"name":"a","strict":true,"schema":\#(schema)}}"#
    try await server("[true]").application().test(.router) { client in
      let (status, body) = try await post(chat, asking(format), to: client)
      #expect(status == 200 && content(body) == "[true]")
      let (refused, error) = try await post(chat, asking(strict), to: client)
      let message = (error["error"] as? [String: Any])?["message"] as? String
      #expect(refused == 400 && message?.contains("uniqueItems is not supported") == true)
    }
  }

  @Test func probabilitiesAreThoseOfTheModel() async throws {
    try await server("one two").application().test(.router) { client in
      let (status, body) = try await post(
        chat, hello + #","logprobs":true,"top_logprobs":2,"temperature":0}"#, to: client)
      #expect(status == 200)
      let entries =
        (choice(body)["logprobs"] as? [String: Any])?["content"] as? [[String: Any]] ?? []
      #expect(entries.compactMap { $0["token"] as? String }.joined() == "one two")
      for entry in entries {
        #expect((entry["top_logprobs"] as? [Any])?.count == 2)
        #expect(entry["logprob"] as? Double ?? 1 <= 0)
        let bytes = entry["bytes"] as? [UInt8] ?? []
        #expect(String(decoding: bytes, as: UTF8.self) == entry["token"] as? String)
      }
      let parts = try await events(
        chat, hello + #","logprobs":true,"temperature":0,"stream":true}"#, to: client
      ).dropLast().map(parse)
      let streamed = parts.flatMap {
        (choice($0)["logprobs"] as? [String: Any])?["content"] as? [[String: Any]] ?? []
      }
      #expect(streamed.compactMap { $0["token"] as? String }.joined() == "one two")
      let (_, text) = try await post(
        "/v1/completions", #"{"prompt":"x","logprobs":1,"temperature":0}"#, to: client)
      let legacy = choice(text)["logprobs"] as? [String: Any]
      #expect((legacy?["tokens"] as? [String])?.joined() == "one two")
      #expect((legacy?["text_offset"] as? [Int])?.first == 0)
      #expect(
        (legacy?["top_logprobs"] as? [[String: Double]])?.allSatisfy { $0.count == 1 } == true)
      let (_, bare) = try await post(
        "/v1/completions", #"{"prompt":"x","logprobs":0,"temperature":0}"#, to: client)
      let chosen = choice(bare)["logprobs"] as? [String: Any]
      #expect(
        (chosen?["top_logprobs"] as? [[String: Double]])?.flatMap(\.keys)
          == chosen?["tokens"] as? [String])
    }
  }

  @Test func severalAnswersAndPrompts() async throws {
    try await server("one two").application().test(.router) { client in
      let (status, body) = try await post(
        "/v1/completions", #"{"prompt":["a","b b"],"n":3,"echo":true,"temperature":0}"#, to: client)
      let choices = body["choices"] as? [[String: Any]] ?? []
      #expect(status == 200 && choices.compactMap { $0["index"] as? Int } == Array(0..<6))
      #expect(
        choices.compactMap { $0["text"] as? String }.prefix(3).allSatisfy { $0 == "aone two" })
      #expect(choices.last?["text"] as? String == "b bone two")
      let usage = body["usage"] as? [String: Any]
      let bos = demoTokenizer.bos == nil ? 0 : 1
      #expect(
        usage?["prompt_tokens"] as? Int == 2 * bos + tokens("a").count + tokens("b b").count)
      #expect(usage?["completion_tokens"] as? Int == 6 * tokens("one two").count)
      let events = try await events(chat, hello + #","n":2,"stream":true}"#, to: client)
      #expect(events.last == "[DONE]")
      let parts = try events.dropLast().map(parse)
      for index in 0..<2 {
        let own = parts.map(choice).filter { $0["index"] as? Int == index }
        let deltas = own.compactMap { $0["delta"] as? [String: Any] }
        #expect(deltas.compactMap { $0["content"] as? String }.joined() == "one two")
        #expect(own.last?["finish_reason"] as? String == "stop")
      }
      #expect(
        try await post("/v1/completions", #"{"prompt":["a"],"n":2,"best_of":3}"#, to: client)
          .status == 400)
    }
  }

  /// Answers keep a schema's order and spelling, whatever was asked for before.
  @Test(arguments: [
    (
      #"{"type":"object","properties":{"a":{"const":1},"b":{"const":2}},"required":["a","b"]}"#,
      #"{"type":"object","properties":{"b":{"const":2},"a":{"const":1}},"required":["a","b"]}"#,
      "b"
    ),
    (#"{"enum":["caf\u00e9"]}"#, #"{"enum":["cafe\u0301"]}"#, "\u{301}"),
    (
      #"{"enum":[3]}"#,
      ##"{"$defs":{"\u00e9":{"const":1},"e\u0301":{"const":2}},"prefixItems":[{"$ref":"#/$defs/\u00e9"},{"$ref":"#/$defs/e\u0301"}],"items":false,"minItems":2,"type":"array"}"##,
      "2"
    ),
  ])
  func schemasThatAreNearlyTheSameAreToldApart(
    first: String, second: String, mark: String
  ) async throws {
    let request = asking(schema(second), #","temperature":0,"max_tokens":64"#)
    func answer(
      _ bodies: [String]
    ) async throws -> String {
      try await server("no").application().test(.router) { client in
        var last = ""
        for body in bodies { last = content(try await post(chat, body, to: client).body) }
        return last
      }
    }
    let alone = try await answer([request])
    let after = try await answer([asking(schema(first), #","temperature":0"#), request])
    #expect(Array(after.utf8) == Array(alone.utf8))
    #expect(after.unicodeScalars.contains { mark.unicodeScalars.contains($0) })
  }
}
