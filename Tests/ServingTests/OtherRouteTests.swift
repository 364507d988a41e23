import Foundation
import Hummingbird
import HummingbirdTesting
import Serving
import Testing
import Tokenization

@Suite(.timeLimit(.minutes(10))) struct OtherRouteTests {
  @Test func textIsContinued() async throws {
    let log = ScriptedModel.Log()
    try await server("one two three", log: log).application().test(.router) { client in
      let (status, body) = try await post(
        "/v1/completions", #"{"model":"demo","prompt":"Once","max_tokens":2}"#, to: client)
      #expect(status == 200)
      #expect((body["id"] as? String)?.hasPrefix("cmpl-") == true)
      #expect(body["object"] as? String == "text_completion")
      #expect(
        choice(body)["text"] as? String
          == demoTokenizer.decode(Array(tokens("one two three").prefix(2))))
      #expect(choice(body)["finish_reason"] as? String == "length")
      let bos = demoTokenizer.bos.map { [$0] } ?? []
      #expect(log.all.first == bos + tokens("Once"))
    }
  }

  @Test func promptsComeInFourShapesAndLengthsDefaultToSixteen() async throws {
    let log = ScriptedModel.Log()
    let long = String(repeating: "word ", count: 40)
    try await server(long, log: log).application().test(.router) { client in
      for prompt in [#""x""#, #"["x"]"#, "[5,6,7]", "[[5,6,7]]"] {
        let (status, body) = try await post(
          "/v1/completions", #"{"prompt":\#(prompt),"temperature":0}"#, to: client)
        #expect(status == 200)
        #expect((body["usage"] as? [String: Any])?["completion_tokens"] as? Int == 16)
      }
      #expect(log.all.contains([5, 6, 7]))
      for prompt in [
        "[]", "[[]]", #"[1,"x"]"#, #"["x",1]"#, "{}", "[1.5]", "[99999999]", "[-1]", "null",
      ] {
        let (status, _) = try await post(
          "/v1/completions", #"{"prompt":\#(prompt)}"#, to: client)
        #expect(status == 400, "\(prompt)")
      }
    }
  }

  @Test func textStreams() async throws {
    let text = "one \"two\"\\ three\n\u{1}ü 漢"
    try await server(text).application().test(.router) { client in
      let events = try await events(
        "/v1/completions", #"{"prompt":"x","stream":true,"n":2,"max_tokens":99}"#, to: client)
      #expect(events.last == "[DONE]")
      let choices = try events.dropLast().map { choice(try parse($0)) }
      for index in 0..<2 {
        let own = choices.filter { $0["index"] as? Int == index }
        #expect(own.compactMap { $0["text"] as? String }.joined() == text)
        #expect(own.last?["finish_reason"] as? String == "stop")
        #expect(own.allSatisfy { Set($0.keys) == ["index", "text", "logprobs", "finish_reason"] })
        #expect(own.allSatisfy { $0["logprobs"] is NSNull })
      }
      #expect(choices.allSatisfy { [0, 1].contains($0["index"] as? Int) })
    }
  }

  @Test func aPromptThatBeginsWithBOSDoesNotGetAnother() async throws {
    let log = ScriptedModel.Log()
    let bos = try #require(demoTokenizer.bos)
    try await server(log: log).application().test(.router) { client in
      let text = "<｜begin▁of▁sentence｜>Hello"
      let (status, _) = try await post(
        "/v1/completions", #"{"prompt":"\#(text)"}"#, to: client)
      #expect(status == 200)
      #expect(log.all.first == [bos] + tokens("Hello"))
    }
  }

  @Test func modelsAndHealth() async throws {
    try await server().application().test(.router) { client in
      func get(_ path: String) async throws -> (Int, [String: Any]) {
        let response = try await client.executeRequest(
          uri: path, method: .get, headers: [:], body: nil)
        return (response.status.code, try parse(String(buffer: response.body)))
      }
      #expect(try await get("/health").0 == 200)
      let (status, list) = try await get("/v1/models")
      #expect(status == 200 && list["object"] as? String == "list")
      let model = (list["data"] as? [[String: Any]])?.first
      #expect(model?["id"] as? String == "demo")
      #expect(abs((model?["created"] as? Double ?? 0) - Date().timeIntervalSince1970) < 600)
      let limit = try #require(model?["max_model_len"] as? Int)
      #expect(limit == model?["context_length"] as? Int)
      #expect(try await get("/v1/models/demo").1["object"] as? String == "model")
      let missing = try await get("/v1/models/other")
      #expect(missing.0 == 404)
      #expect((missing.1["error"] as? [String: Any])?["code"] as? String == "model_not_found")
      let nowhere = try await get("/v1/embeddings")
      #expect(nowhere.0 == 404)
      #expect(
        (nowhere.1["error"] as? [String: Any])?["message"] as? String
          == "there is nothing at /v1/embeddings; GET /openapi.json lists what there is")
      let cutOff = try await get("/chat/completions")
      #expect(cutOff.0 == 404)
      #expect(
        (cutOff.1["error"] as? [String: Any])?["message"] as? String
          == "there is nothing at /chat/completions; the base URL of this API ends in /v1: ask "
          + "/v1/chat/completions")
    }
  }

  @Test func aliasesAreNamesOfTheModel() async throws {
    let aliased = try server(change: { $0.aliases = ["gpt-4", "deepseek-chat"] })
    try await aliased.application().test(.router) { client in
      let response = try await client.executeRequest(
        uri: "/v1/models", method: .get, headers: [:], body: nil)
      let list = try parse(String(buffer: response.body))["data"] as? [[String: Any]]
      #expect(list?.compactMap { $0["id"] as? String } == ["demo", "gpt-4", "deepseek-chat"])
      let (status, body) = try await post(
        chat, #"{"model":"gpt-4","messages":[{"role":"user","content":"x"}]}"#, to: client)
      #expect(status == 200 && body["model"] as? String == "demo")
      let other = try await post(
        chat, #"{"model":"gpt-5","messages":[{"role":"user","content":"x"}]}"#, to: client)
      #expect(other.status == 404)
    }
  }

  @Test func aNameMayHaveAnyCharacters() async throws {
    let aliased = try server(change: { $0.aliases = ["deepseek-ai/V2 Lite"] })
    try await aliased.application().test(.router) { client in
      let response = try await client.executeRequest(
        uri: "/v1/models/deepseek-ai%2FV2%20Lite", method: .get, headers: [:], body: nil)
      #expect(response.status == .ok)
      #expect(try parse(String(buffer: response.body))["id"] as? String == "deepseek-ai/V2 Lite")
    }
  }

  @Test func anotherModelIsNotFound() async throws {
    try await server().application().test(.router) { client in
      let (status, body) = try await post(
        chat, #"{"model":"gpt-4","messages":[{"role":"user","content":"x"}]}"#, to: client)
      #expect(status == 404)
      let error = body["error"] as? [String: Any]
      #expect(error?["param"] as? String == "model")
      #expect(
        error?["message"] as? String
          == #"the model "gpt-4" does not exist here; this server has "demo""#)
    }
  }
}
