import Foundation
import Hummingbird
import HummingbirdTesting
import Inference
import Serving
import Testing
import Tokenization

private let path = "/v1/responses"

private func output(_ body: [String: Any]) -> [[String: Any]] {
  body["output"] as? [[String: Any]] ?? []
}

private func text(_ item: [String: Any]?) -> String {
  ((item?["content"] as? [[String: Any]])?.first?["text"] as? String) ?? ""
}

@Suite(.timeLimit(.minutes(10))) struct ResponseRouteTests {
  @Test func aResponseComesInOnePiece() async throws {
    try await server().application().test(.router) { client in
      let (status, body) = try await post(
        path,
        #"{"model":"demo","input":"Hello","instructions":"Be kind.","temperature":0,"metadata":{"a":"b"}}"#,
        to: client)
      #expect(status == 200)
      #expect((body["id"] as? String)?.hasPrefix("resp_") == true)
      #expect(body["object"] as? String == "response" && body["status"] as? String == "completed")
      #expect(output(body).count == 1 && text(output(body).first) == "Nice to meet you.")
      #expect((output(body).first?["id"] as? String)?.hasPrefix("msg_") == true)
      #expect(body["instructions"] as? String == "Be kind." && body["store"] as? Bool == false)
      #expect((body["metadata"] as? [String: String]) == ["a": "b"])
      let usage = body["usage"] as? [String: Any]
      let prompt = try demoTokenizer.encode(
        chat: [ChatMessage(.system, "Be kind."), ChatMessage(.user, "Hello")])
      #expect(usage?["input_tokens"] as? Int == prompt.count)
      #expect(usage?["output_tokens"] as? Int == tokens("Nice to meet you.").count)
    }
  }

  @Test func aResponseStreamsTypedEvents() async throws {
    try await server("one two three").application().test(.router) { client in
      let events = try await sentEvents(
        path, #"{"input":[{"role":"user","content":"x"}],"stream":true}"#, to: client)
      let parts = try events.map { try parse($0.data) }
      #expect(parts.map { $0["type"] as? String } == events.map(\.name))
      #expect(parts.map { $0["sequence_number"] as? Int } == Array(0..<parts.count))
      let types = parts.compactMap { $0["type"] as? String }
      #expect(
        types.filter { $0 != "response.output_text.delta" } == [
          "response.created", "response.in_progress", "response.output_item.added",
          "response.content_part.added", "response.output_text.done",
          "response.content_part.done", "response.output_item.done", "response.completed",
        ])
      let deltas = parts.filter { $0["type"] as? String == "response.output_text.delta" }
      #expect(deltas.compactMap { $0["delta"] as? String }.joined() == "one two three")
      let response = parts.last?["response"] as? [String: Any] ?? [:]
      #expect(text(output(response).first) == "one two three")
      let id = output(response).first?["id"] as? String
      #expect(parts.compactMap { $0["item_id"] as? String }.allSatisfy { $0 == id })
      #expect(!events.map(\.data).contains("[DONE]"))
    }
  }

  @Test func lengthMakesItIncomplete() async throws {
    try await server("one two three").application().test(.router) { client in
      let (_, body) = try await post(path, #"{"input":"x","max_output_tokens":1}"#, to: client)
      #expect(body["status"] as? String == "incomplete")
      #expect(
        (body["incomplete_details"] as? [String: Any])?["reason"] as? String
          == "max_output_tokens")
    }
  }

  @Test func functionsAreCalledAndAnswered() async throws {
    let log = ScriptedModel.Log()
    let answer =
      "<tool_call>\n{\"name\": \"now\", \"arguments\": {\"zone\": \"CET\"}}\n</tool_call>"
    let tool =
      #"{"type":"function","name":"now","parameters":{"type":"object","properties":{"zone":{"type":"string"}}}}"#
    try await server(answer, contextLength: 2048, log: log).application().test(.router) { client in
      let request = #"{"input":"x","temperature":0,"tools":[\#(tool)]"#
      let (status, body) = try await post(path, request + "}", to: client)
      #expect(status == 200, "\(body)")
      let call = output(body).first
      #expect(call?["type"] as? String == "function_call" && call?["name"] as? String == "now")
      #expect(call?["arguments"] as? String == #"{"zone": "CET"}"#)
      let parts = try await events(path, request + #","stream":true}"#, to: client).map(parse)
      let deltas = parts.filter {
        $0["type"] as? String == "response.function_call_arguments.delta"
      }
      #expect(deltas.compactMap { $0["delta"] as? String }.joined() == #"{"zone": "CET"}"#)
      let response = parts.last?["response"] as? [String: Any] ?? [:]
      #expect(output(response).first?["name"] as? String == "now")
      let id = try #require(call?["call_id"] as? String)
      let next = try await post(
        path,
        #"""
        {"input":[{"role":"user","content":[{"type":"input_text","text":"x"}]},
        {"type":"reasoning","summary":[]},
        {"type":"function_call","call_id":"\#(id)","name":"now","arguments":"{}","status":"completed"},
        {"type":"function_call_output","call_id":"\#(id)","output":"12:00"}]}
        """#, to: client)
      #expect(next.status == 200, "\(next.body)")
    }
  }

  @Test func formatsAreKept() async throws {
    try await server("nonsense").application().test(.router) { client in
      let format = #"{"type":"json_schema","name":"a","schema":{"enum":["x"]}}"#
      let (status, body) = try await post(
        path, #"{"input":"x","text":{"format":\#(format)}}"#, to: client)
      #expect(status == 200 && text(output(body).first) == #""x""#)
    }
  }

  @Test(arguments: [
    (#"{}"#, "input"), (#"{"input":[]}"#, "input"), (#"{"input":7}"#, "input"),
    (#"{"input":[{"role":"tool","content":"x"}]}"#, "input[0].role"),
    (#"{"input":[{"type":"item_reference","id":"x"}]}"#, "input[0].type"),
    (
      #"{"input":[{"type":"function_call_output","call_id":"a","output":"x"}]}"#, "input[0].call_id"
    ),
    (#"{"input":"x","store":true}"#, "store"),
    (#"{"input":"x","previous_response_id":"resp_1"}"#, "previous_response_id"),
    (#"{"input":"x","background":true}"#, "background"),
    (#"{"input":"x","n":2}"#, "n"), (#"{"input":"x","max_tokens":2}"#, "max_tokens"),
    (#"{"input":"x","max_output_tokens":0}"#, "max_output_tokens"),
    (#"{"input":"x","truncation":"auto"}"#, "truncation"),
    (#"{"input":"x","include":["web"]}"#, "include[0]"),
    (#"{"input":"x","tools":[{"type":"web_search"}]}"#, "tools[0].type"),
    (#"{"input":"x","text":{"format":{"type":"json_schema","name":"a"}}}"#, "text.format.schema"),
    (#"{"input":"x","frobnicate":1}"#, "frobnicate"),
  ])
  func wrongFieldsAreNamed(body: String, param: String) async throws {
    try await server().application().test(.router) { client in
      let (status, answer) = try await post(path, body, to: client)
      #expect(status == 400)
      #expect((answer["error"] as? [String: Any])?["param"] as? String == param)
    }
  }

  @Test func aFailedStepFailsTheResponse() async throws {
    struct Failure: Error, CustomStringConvertible { let description = "worker 2 is gone" }
    let server = try server { step in if step == 1 { throw Failure() } }
    try await server.application().test(.router) { client in
      let parts = try await events(path, #"{"input":"x","stream":true}"#, to: client).map(parse)
      #expect(parts.last?["type"] as? String == "response.failed")
      let response = parts.last?["response"] as? [String: Any]
      #expect((response?["error"] as? [String: Any])?["message"] as? String == "worker 2 is gone")
    }
  }
}
