import Foundation
import Hummingbird
import HummingbirdTesting
import Inference
import Serving
import TestSupport
import Testing
import Tokenization

/// A tokenizer with the marks of V3 and R1.
private let markedTokenizer: Tokenizer = {
  var file = VocabularyFile()
  file.add(
    "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>",
    "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>", "<｜tool▁call▁begin｜>",
    "<｜tool▁call▁end｜>", "<｜tool▁sep｜>", "<｜tool▁outputs▁begin｜>", "<｜tool▁outputs▁end｜>",
    "<｜tool▁output▁begin｜>", "<｜tool▁output▁end｜>", kind: 3)
  file.add("<think>", "</think>", kind: 4)
  file.integers = ["bos_token_id": 257, "eos_token_id": 258]
  do { return try file.tokenizer() } catch { fatalError("\(error)") }
}()

private let weather = #"""
  {"type":"function","function":{"name":"weather","description":"of a city","parameters":
  {"type":"object","properties":{"city":{"type":"string"},"unit":{"enum":["C","F"]}},
  "required":["city"],"additionalProperties":false}}}
  """#
private let clock = #"{"type":"function","function":{"name":"clock"}}"#

private func message(_ body: [String: Any]) -> [String: Any] {
  choice(body)["message"] as? [String: Any] ?? [:]
}

private func calls(_ body: [String: Any]) -> [(name: String, arguments: String)] {
  let calls = message(body)["tool_calls"] as? [[String: Any]] ?? []
  return calls.compactMap { $0["function"] as? [String: Any] }.map {
    ($0["name"] as? String ?? "", $0["arguments"] as? String ?? "")
  }
}

/// The calls of a stream, put together as clients do.
private func streamedCalls(_ parts: [[String: Any]]) -> [(name: String, arguments: String)] {
  var calls: [(name: String, arguments: String)] = []
  for delta in parts.compactMap({ choice($0)["delta"] as? [String: Any] }) {
    for call in delta["tool_calls"] as? [[String: Any]] ?? [] {
      let function = call["function"] as? [String: Any]
      if let name = function?["name"] as? String {
        #expect((call["id"] as? String)?.hasPrefix("call_") == true)
        #expect(call["index"] as? Int == calls.count)
        calls.append((name, ""))
      }
      calls[calls.count - 1].arguments += function?["arguments"] as? String ?? ""
    }
  }
  return calls
}

@Suite(.timeLimit(.minutes(10))) struct ToolCallTests {
  static let blocks =
    "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>weather\n```json\n"
    + #"{"city": "Zürich \"}]", "unit": "C"}"# + "\n```<｜tool▁call▁end｜>\n"
    + "<｜tool▁call▁begin｜>function<｜tool▁sep｜>clock\n```json\n{}\n```<｜tool▁call▁end｜>"
    + "<｜tool▁calls▁end｜>"
  static let marks =
    "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>weather<｜tool▁sep｜>"
    + #"{"city": "Zürich \"}]", "unit": "C"}"# + "<｜tool▁call▁end｜>"
    + "<｜tool▁call▁begin｜>clock<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>"
  static let plain =
    "<tool_call>\n{\"name\": \"weather\", \"arguments\": "
    + #"{"city": "Zürich \"}]", "unit": "C"}"# + "}\n</tool_call>\n"
    + "<tool_call>\n{\"name\": \"clock\", \"arguments\": {}}\n</tool_call>"

  @Test(arguments: [
    (ChatFormat.deepseekV3, blocks), (.deepseekV3_1, marks), (.deepseekV2_0628, plain),
  ])
  func callsAreReadInEveryFormat(format: ChatFormat, answer: String) async throws {
    let text = "Let me look.\n"
    let server = try server(
      text + answer, contextLength: 8192, tokenizer: markedTokenizer, format: format)
    try await server.application().test(.router) { client in
      let request = hello + #","temperature":0,"tools":[\#(weather),\#(clock)]"#
      let (status, body) = try await post(chat, request + "}", to: client)
      #expect(status == 200, "\(body)")
      #expect(message(body)["content"] as? String == text)
      #expect(choice(body)["finish_reason"] as? String == "tool_calls")
      #expect(calls(body).map(\.name) == ["weather", "clock"])
      #expect(calls(body).first?.arguments == #"{"city": "Zürich \"}]", "unit": "C"}"#)
      #expect(calls(body).last?.arguments == "{}")
      let parts = try await events(chat, request + #","stream":true}"#, to: client)
        .dropLast().map(parse)
      #expect(streamedCalls(parts).map(\.arguments) == calls(body).map(\.arguments))
      #expect(choice(parts.last ?? [:])["finish_reason"] as? String == "tool_calls")
    }
  }

  /// A model that wants to chat is made to call, with arguments that fit.
  @Test(arguments: [ChatFormat.deepseekV3, .deepseekV3_1, .deepseekR1, .deepseekV2_0628])
  func callsCanBeForced(format: ChatFormat) async throws {
    let server = try server(
      "no", contextLength: 8192, tokenizer: markedTokenizer, format: format)
    try await server.application().test(.router) { client in
      for forced in [
        #""required""#, #"{"type":"function","function":{"name":"clock"}}"#,
      ] {
        // What closes strings and objects; the ids of bytes are their values.
        let bias = #"{"34":30,"125":30}"#
        let (status, body) = try await post(
          chat,
          hello
            + #","temperature":0,"max_tokens":600,"tools":[\#(clock)],"tool_choice":\#(forced),"#
            + #""parallel_tool_calls":false,"logit_bias":\#(bias)}"#,
          to: client)
        #expect(status == 200, "\(body)")
        if format == .deepseekR1 {
          // It goes on thinking: that is not for us to end.
          #expect(calls(body).isEmpty)
        } else {
          #expect(calls(body).map(\.name) == ["clock"])
          let arguments = calls(body).first?.arguments ?? ""
          #expect(try JSONSerialization.jsonObject(with: Data(arguments.utf8)) is [String: Any])
        }
      }
    }
  }

  @Test func withoutAChoiceToolsAreNotMentioned() async throws {
    let log = ScriptedModel.Log()
    let server = try server(
      Self.blocks, contextLength: 8192, tokenizer: markedTokenizer, format: .deepseekV3, log: log)
    try await server.application().test(.router) { client in
      let (status, body) = try await post(
        chat, hello + #","tools":[\#(weather)],"tool_choice":"none","temperature":0}"#, to: client)
      #expect(status == 200 && calls(body).isEmpty)
      let prompt = try markedTokenizer.encode(
        chat: [ChatMessage(.user, "Hello")], format: .deepseekV3)
      #expect(Array(log.all.joined().prefix(prompt.count)) == prompt)
    }
  }

  @Test func resultsComeBackInTheOrderOfTheirCalls() async throws {
    let log = ScriptedModel.Log()
    let server = try server(
      "Sunny.", contextLength: 8192, tokenizer: markedTokenizer, format: .deepseekV3, log: log)
    try await server.application().test(.router) { client in
      let (status, _) = try await post(
        chat,
        #"""
        {"messages":[{"role":"user","content":"?"},{"role":"assistant","content":null,
        "reasoning_content":"hm","tool_calls":[
        {"id":"a","type":"function","function":{"name":"f","arguments":"{}"}},
        {"id":"b","type":"function","function":{"name":"g","arguments":"{}"}}]},
        {"role":"tool","tool_call_id":"b","content":"2"},
        {"role":"tool","tool_call_id":"a","content":[{"type":"text","text":"1"}]}]}
        """#, to: client)
      #expect(status == 200)
      let prompt = try markedTokenizer.encode(
        chat: [
          ChatMessage(.user, "?"),
          ChatMessage(
            .assistant, "",
            toolCalls: [.init(name: "f", arguments: "{}"), .init(name: "g", arguments: "{}")]),
          ChatMessage(.tool, "1"), ChatMessage(.tool, "2"),
        ], format: .deepseekV3)
      #expect(Array(log.all.joined().prefix(prompt.count)) == prompt)
    }
  }

  @Test func thinkingIsToldApart() async throws {
    let server = try server(
      "\nLet me\n\nthink.\n</think>\n\nIt is 4.\n", contextLength: 8192,
      tokenizer: markedTokenizer, format: .deepseekR1)
    try await server.application().test(.router) { client in
      let (status, body) = try await post(chat, hello + #","temperature":0}"#, to: client)
      #expect(status == 200)
      #expect(message(body)["reasoning_content"] as? String == "Let me\n\nthink.")
      #expect(message(body)["content"] as? String == "It is 4.\n")
      let usage = body["usage"] as? [String: Any]
      let details = usage?["completion_tokens_details"] as? [String: Any]
      #expect(details?["reasoning_tokens"] as? Int ?? 0 > 10)
      let deltas = try await events(chat, hello + #","temperature":0,"stream":true}"#, to: client)
        .dropLast().map(parse).compactMap { choice($0)["delta"] as? [String: Any] }
      #expect(
        deltas.compactMap { $0["reasoning_content"] as? String }.joined() == "Let me\n\nthink.")
      #expect(deltas.compactMap { $0["content"] as? String }.joined() == "It is 4.\n")
      let short = try await post(chat, hello + #","max_tokens":5,"temperature":0}"#, to: client)
        .body
      #expect(message(short)["content"] as? String == "")
      #expect(choice(short)["finish_reason"] as? String == "length")
    }
  }

  @Test func thinkingIsChosenWhereBothExist() async throws {
    let log = ScriptedModel.Log()
    let server = try server(
      "x", contextLength: 8192, tokenizer: markedTokenizer, format: .deepseekV3_1, log: log)
    try await server.application().test(.router) { client in
      for field in [
        #""thinking":{"type":"enabled"}"#, #""chat_template_kwargs":{"thinking":true}"#,
      ] {
        let before = log.all.count
        #expect(try await post(chat, hello + "," + field + "}", to: client).status == 200)
        let prompt = try markedTokenizer.encode(
          chat: [ChatMessage(.user, "Hello")], format: .deepseekV3_1Thinking)
        #expect(Array(log.all.dropFirst(before).joined().prefix(prompt.count)) == prompt)
      }
    }
  }

  /// After results nothing opens the thinking: what comes is the answer.
  @Test(arguments: [ChatFormat.deepseekR1, .deepseekV3_1Thinking, .deepseekV3])
  func whatFollowsResultsIsTheAnswer(format: ChatFormat) async throws {
    let server = try server(
      "Sunny.", contextLength: 8192, tokenizer: markedTokenizer, format: format)
    try await server.application().test(.router) { client in
      let (status, body) = try await post(
        chat,
        #"""
        {"messages":[{"role":"user","content":"?"},{"role":"assistant","content":null,
        "tool_calls":[{"id":"a","type":"function","function":{"name":"clock","arguments":"{}"}}]},
        {"role":"tool","tool_call_id":"a","content":"noon"}],"tools":[\#(clock)],"temperature":0}
        """#, to: client)
      #expect(status == 200 && message(body)["content"] as? String == "Sunny.")
      #expect(message(body)["reasoning_content"] == nil)
    }
  }

  /// Where a model may call something, a response format is for the answer that it gives instead.
  @Test(arguments: [true, false])
  func toolsGoTogetherWithAResponseFormat(calls isCalling: Bool) async throws {
    let answer = isCalling ? Self.blocks : #"{"sky": "blue"}"#
    let server = try server(
      answer, contextLength: 8192, tokenizer: markedTokenizer, format: .deepseekV3)
    try await server.application().test(.router) { client in
      let (status, body) = try await post(
        chat,
        hello
          + #","temperature":0,"tools":[\#(weather),\#(clock)],"response_format":{"type":"json_object"}}"#,
        to: client)
      #expect(status == 200, "\(body)")
      #expect(calls(body).map(\.name) == (isCalling ? ["weather", "clock"] : []))
      if !isCalling { #expect(message(body)["content"] as? String == answer) }
    }
  }
}
