import Foundation
import Hummingbird
import HummingbirdTesting
import Serving
import Testing
import Tokenization

@Suite(.timeLimit(.minutes(10))) struct ChatRouteTests {
  @Test func aChatIsAnsweredInOnePiece() async throws {
    try await server().application().test(.router) { client in
      let (status, body) = try await post(chat, hello + "}", to: client)
      #expect(status == 200)
      #expect((body["id"] as? String)?.hasPrefix("chatcmpl-") == true)
      #expect(body["object"] as? String == "chat.completion")
      #expect(body["model"] as? String == "demo")
      #expect(body["system_fingerprint"] as? String == "fp-1")
      #expect(abs((body["created"] as? Double ?? 0) - Date().timeIntervalSince1970) < 60)
      let message = choice(body)["message"] as? [String: Any]
      #expect(message?["role"] as? String == "assistant")
      #expect(message?["content"] as? String == "Nice to meet you.")
      #expect(choice(body)["finish_reason"] as? String == "stop")
      let usage = body["usage"] as? [String: Any]
      let prompt = try demoTokenizer.encode(
        chat: [ChatMessage(.user, "Hello")], format: nil)
      let answer = tokens("Nice to meet you.").count
      #expect(usage?["prompt_tokens"] as? Int == prompt.count)
      #expect(usage?["completion_tokens"] as? Int == answer)
      #expect(usage?["total_tokens"] as? Int == prompt.count + answer)
    }
  }

  @Test func aChatStreams() async throws {
    try await server("Grüße 👋🏽 an \"alle\"\n\\ \u{1}").application().test(.router) { client in
      let events = try await events(
        chat, hello + #","stream":true,"stream_options":{"include_usage":true}}"#, to: client)
      #expect(events.last == "[DONE]")
      let parts = try events.dropLast().map(parse)
      #expect(parts.allSatisfy { $0["object"] as? String == "chat.completion.chunk" })
      #expect(Set(parts.compactMap { $0["id"] as? String }).count == 1)
      #expect(
        parts.dropLast().allSatisfy {
          Set(choice($0).keys) == ["index", "delta", "logprobs", "finish_reason"]
        })
      let deltas = parts.compactMap { choice($0)["delta"] as? [String: Any] }
      #expect(deltas.first?["role"] as? String == "assistant")
      let text = deltas.compactMap { $0["content"] as? String }.joined()
      #expect(text == "Grüße 👋🏽 an \"alle\"\n\\ \u{1}")
      #expect(parts.compactMap { choice($0)["finish_reason"] as? String } == ["stop"])
      #expect((parts.last?["choices"] as? [Any])?.isEmpty == true)
      let usage = parts.last?["usage"] as? [String: Any]
      #expect(usage?["completion_tokens"] as? Int == tokens("Grüße 👋🏽 an \"alle\"\n\\ \u{1}").count)
    }
  }

  @Test func theBlankThatTheFormatExpectsIsNotPartOfTheAnswer() async throws {
    try await server(" Hi there").application().test(.router) { client in
      let whole = try await post(chat, hello + "}", to: client).body
      #expect((choice(whole)["message"] as? [String: Any])?["content"] as? String == "Hi there")
      let parts = try await events(chat, hello + #","stream":true}"#, to: client)
      let text = try parts.dropLast().map(parse)
        .compactMap { (choice($0)["delta"] as? [String: Any])?["content"] as? String }.joined()
      #expect(text == "Hi there")
    }
  }

  @Test func withoutTheOptionAStreamHasNoUsage() async throws {
    try await server().application().test(.router) { client in
      let events = try await events(chat, hello + #","stream":true}"#, to: client)
      #expect(events.last == "[DONE]")
      #expect(try events.dropLast().map(parse).allSatisfy { $0["usage"] == nil })
    }
  }

  @Test func lengthAndStopStringsEndAnswers() async throws {
    try await server("one two three four").application().test(.router) { client in
      let short = try await post(chat, hello + #","max_completion_tokens":2}"#, to: client).body
      #expect(choice(short)["finish_reason"] as? String == "length")
      let stopped = try await post(chat, hello + #","stop":["zzz"," three"]}"#, to: client).body
      #expect((choice(stopped)["message"] as? [String: Any])?["content"] as? String == "one two")
      #expect(choice(stopped)["finish_reason"] as? String == "stop")
    }
  }

  @Test func allRolesAndTextPartsAreRead() async throws {
    let log = ScriptedModel.Log()
    try await server(log: log).application().test(.router) { client in
      let (status, _) = try await post(
        chat,
        #"""
        {"messages":[{"role":"developer","content":"Be brief."},
        {"role":"user","content":[{"type":"text","text":"Hel"},{"type":"text","text":"lo"}]},
        {"role":"assistant","content":" Hi","name":null},{"role":"user","content":"More"}],
        "user":"u","metadata":{"a":"b"},"store":false,"tools":[],"tool_choice":"none",
        "logprobs":false,"n":1,"response_format":{"type":"text"},"temperature":null}
        """#, to: client)
      #expect(status == 200)
      let prompt = try demoTokenizer.encode(
        chat: [
          ChatMessage(.system, "Be brief."),
          ChatMessage(.user, "Hello"),
          ChatMessage(.assistant, " Hi"),
          ChatMessage(.user, "More"),
        ], format: nil)
      #expect(Array(log.all.joined().prefix(prompt.count)) == prompt)
    }
  }

  @Test(arguments: [
    (#","temperature":3}"#, "temperature", "temperature: must be from 0 to 2, not 3"),
    (#","temperature":"hot"}"#, "temperature", "temperature must be a number, not a string"),
    (#","top_p":-0.5}"#, "top_p", "top_p: must be from 0 to 1, not -0.5"),
    (#","top_k":1.5}"#, "top_k", "top_k must be an integer, not a number"),
    (#","max_tokens":0}"#, "max_tokens", "max_tokens must be 1 or more, not 0"),
    (#","n":17}"#, "n", "n must be from 1 to 16, not 17"),
    (#","n":0}"#, "n", "n must be from 1 to 16, not 0"),
    (#","n":1000000000000}"#, "n", "n must be from 1 to 16, not 1000000000000"),
    (
      #","stop":["1","2","3","4","5","6","7","8","9","a","b","c","d","e","f","g","h"]}"#, "stop",
      "stop has 17 strings; at most 16 are allowed"
    ),
    (
      #","stop":""}"#, "stop",
      "stop must be a string or an array of strings of 1 to 1024 bytes"
    ),
    (#","stream":1}"#, "stream", "stream must be true or false, not a number"),
    (
      #","stream_options":{"include_usage":true}}"#, "stream_options",
      "stream_options is allowed only when stream is true"
    ),
    (
      #","stream":true,"stream_options":{"x":1}}"#, "stream_options.x",
      "stream_options.x is not supported by this server; leave it out"
    ),
    (
      #","logit_bias":{"x":1}}"#, "logit_bias",
      #"logit_bias must map token ids to numbers; "x" does not"#
    ),
    (#","logit_bias":{"1":101}}"#, "logit_bias", "logit_bias: must be from -100 to 100, not 101"),
    (#","logit_bias":[1]}"#, "logit_bias", "logit_bias must be an object, not an array"),
    (#","seed":"x"}"#, "seed", "seed must be an integer, not a string"),
    (
      #","frobnicate":1}"#, "frobnicate",
      "frobnicate is not supported by this server; leave it out"
    ),
    (
      #","tools":[{}]}"#, "tools[0].type",
      "tools[0].type must be function; this server runs no other tools"
    ),
    (
      #","tools":[{"type":"function","function":{"name":"a b"}}]}"#, "tools[0].function.name",
      "tools[0].function.name must have 1 to 64 letters, digits, _ or -"
    ),
    (
      #","tools":[{"type":"function","function":{"name":"f","strict":true,"parameters":"#
        + #"{"type":"object","properties":{"a":{"type":"string","not":{}}}}}}]}"#,
      "tools[0].function.parameters.properties.a",
      "tools[0].function.parameters.properties.a: not is not supported by this server;"
        + " leave it out"
    ),
    (#","tool_choice":"required"}"#, "tool_choice", "tool_choice required needs tools"),
    (
      #","tool_choice":{"type":"function","function":{"name":"f"}}}"#, "tool_choice",
      "tool_choice must name one of the tools"
    ),
    (
      #","top_logprobs":2}"#, "top_logprobs",
      "top_logprobs is allowed only when logprobs is true"
    ),
    (
      #","logprobs":true,"top_logprobs":21}"#, "top_logprobs",
      "top_logprobs must be from 0 to 20, not 21"
    ),
    (
      #","response_format":{"type":"xml"}}"#, "response_format.type",
      #"response_format.type must be one of text, json_object, json_schema, not "xml""#
    ),
    (
      #","response_format":{"type":"json_schema","json_schema":{"name":"x","strict":true,"#
        + #""schema":{"not":{}}}}}"#,
      "response_format.json_schema.schema",
      "response_format.json_schema.schema: not is not supported by this server; leave it out"
    ),
    (
      #","response_format":{"type":"json_object"},"ignore_eos":true}"#, "ignore_eos",
      "ignore_eos does not go together with a response_format; leave one out"
    ),
  ])
  func wrongFieldsAreNamed(rest: String, param: String, message: String) async throws {
    try await server().application().test(.router) { client in
      let (status, body) = try await post(chat, hello + rest, to: client)
      #expect(status == 400)
      let error = body["error"] as? [String: Any]
      #expect(error?["message"] as? String == message)
      #expect(error?["param"] as? String == param)
      #expect(error?["type"] as? String == "invalid_request_error")
      #expect(error?.keys.contains("code") == true)
    }
  }

  @Test(arguments: [
    (#"{}"#, "messages", "messages must have at least one message"),
    (#"{"messages":[]}"#, "messages", "messages must have at least one message"),
    (#"{"messages":"x"}"#, "messages", "messages must be an array, not a string"),
    (#"{"messages":[1]}"#, "messages[0]", "messages[0] must be an object, not a number"),
    (
      #"{"messages":[{"role":"king","content":"x"}]}"#, "messages[0].role",
      #"messages[0].role must be system, developer, user, assistant or tool, not "king""#
    ),
    (
      #"{"messages":[{"role":"tool","content":"x","tool_call_id":"a"}]}"#,
      "messages[0].tool_call_id",
      "messages[0].tool_call_id must be the id of a call in the assistant's message before it"
    ),
    (
      #"{"messages":[{"role":"assistant","tool_calls":[{"id":"a"}]}]}"#,
      "messages[0].tool_calls[0]", "messages[0].tool_calls[0] must have an id and a function"
    ),
    (
      #"{"messages":[{"role":"user"}]}"#, "messages[0].content",
      "messages[0].content must be a string or an array of text parts"
    ),
    (
      #"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{}}]}]}"#,
      "messages[0].content[0]",
      "messages[0].content[0] must be a text part; this model reads nothing else"
    ),
    (
      #"{"messages":[{"role":"user","content":"x","extra":1}]}"#, "messages[0].extra",
      "messages[0].extra is not supported by this server; leave it out"
    ),
  ])
  func wrongMessagesAreNamed(body: String, param: String, message: String) async throws {
    try await server().application().test(.router) { client in
      let (status, body) = try await post(chat, body, to: client)
      let error = body["error"] as? [String: Any]
      #expect(status == 400)
      #expect(error?["message"] as? String == message)
      #expect(error?["param"] as? String == param)
    }
  }

  @Test(arguments: [
    "", "{", "[1,2]", "null", #"{"a":1,"a":2}"#, "{\"a\":\"\u{0}\"}", #"{"a":"\ud800"}"#,
    String(repeating: "[", count: 100_000), String(repeating: #"{"a":"#, count: 100_000),
    #"{"messages":"# + String(repeating: "[", count: 65) + String(repeating: "]", count: 65) + "}",
    #"{"max_tokens":1e400}"#,
  ])
  func hostileBodiesAreRefused(body: String) async throws {
    try await server().application().test(.router) { client in
      let (status, answer) = try await post(chat, body, to: client)
      #expect(status == 400)
      #expect((answer["error"] as? [String: Any])?["type"] as? String == "invalid_request_error")
    }
  }

  @Test func bodiesHaveALimit() async throws {
    try await server(maximumBodyBytes: 1000).application().test(.router) { client in
      let body = hello + #","user":""# + String(repeating: "x", count: 1000) + #""}"#
      let (status, answer) = try await post(chat, body, to: client)
      #expect(status == 413)
      #expect(
        (answer["error"] as? [String: Any])?["message"] as? String
          == "the request body has more than 1000 bytes")
    }
  }

  @Test func tooMuchForTheContextIsA400() async throws {
    try await server(contextLength: 64).application().test(.router) { client in
      let (status, body) = try await post(chat, hello + #","max_tokens":1000}"#, to: client)
      #expect(status == 400)
      #expect((body["error"] as? [String: Any])?["code"] as? String == "context_length_exceeded")
    }
  }

  @Test func aFailedStepIsA503AndInAStreamAnEvent() async throws {
    struct Failure: Error, CustomStringConvertible { let description = "worker 2 is gone" }
    let server = try server { step in if step == 1 || step == 3 { throw Failure() } }
    try await server.application().test(.router) { client in
      let (status, body) = try await post(chat, hello + "}", to: client)
      #expect(status == 503)
      #expect((body["error"] as? [String: Any])?["message"] as? String == "worker 2 is gone")
      let events = try await events(chat, hello + #","stream":true}"#, to: client)
      let error = try parse(events.last ?? "")["error"] as? [String: Any]
      #expect(error?["message"] as? String == "worker 2 is gone")
      #expect(!events.contains("[DONE]"))
      #expect(try await post(chat, hello + "}", to: client).status == 200)
    }
  }
}
