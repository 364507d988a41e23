import Foundation
import Hummingbird
import HummingbirdTesting
import Serving
import Testing
import Tokenization

@Suite(.timeLimit(.minutes(1))) struct OtherRouteTests {
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
    try await server("one two three").application().test(.router) { client in
      let events = try await events(
        "/v1/completions", #"{"prompt":"x","stream":true}"#, to: client)
      #expect(events.last == "[DONE]")
      let parts = try events.dropLast().map(parse)
      #expect(parts.compactMap { choice($0)["text"] as? String }.joined() == "one two three")
      #expect(choice(parts.last ?? [:])["finish_reason"] as? String == "stop")
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
      #expect((list["data"] as? [[String: Any]])?.first?["id"] as? String == "demo")
      #expect(try await get("/v1/models/demo").1["object"] as? String == "model")
      let missing = try await get("/v1/models/other")
      #expect(missing.0 == 404)
      #expect((missing.1["error"] as? [String: Any])?["code"] as? String == "model_not_found")
      let nowhere = try await get("/nowhere")
      #expect(nowhere.0 == 404 && nowhere.1["error"] != nil)
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
