import Foundation
import Hummingbird
import HummingbirdTesting
import Serving
import Testing
import Tokenization

@Suite(.timeLimit(.minutes(10))) struct TokenRouteTests {
  @Test func textsBecomeTokensAndTextsAgain() async throws {
    try await server().application().test(.router) { client in
      let text = "What is 媽 and 🤗?"
      let escaped = String(decoding: try JSONEncoder().encode(text), as: UTF8.self)
      let (status, body) = try await post("/tokenize", #"{"content":\#(escaped)}"#, to: client)
      #expect(status == 200 && body["tokens"] as? [Int32] == tokens(text))
      let back = try await post(
        "/detokenize", #"{"tokens":\#(tokens(text))}"#, to: client)
      #expect(back.status == 200 && back.body["content"] as? String == text)
      let (_, special) = try await post(
        "/tokenize", #"{"content":"x","add_special":true}"#, to: client)
      #expect((special["tokens"] as? [Int32])?.first == demoTokenizer.bos)
      let (_, pieces) = try await post(
        "/tokenize", #"{"content":\#(escaped),"with_pieces":true}"#, to: client)
      var bytes: [UInt8] = []
      for piece in pieces["tokens"] as? [[String: Any]] ?? [] {
        if let text = piece["piece"] as? String { bytes += Array(text.utf8) }
        if let more = piece["piece"] as? [UInt8] { bytes += more }
      }
      #expect(String(decoding: bytes, as: UTF8.self) == text)
    }
  }

  @Test func conversationsBecomeTheTokensThatTheModelSees() async throws {
    try await server().application().test(.router) { client in
      let (status, body) = try await post(
        "/tokenize", #"{"messages":[{"role":"user","content":"Hello"}]}"#, to: client)
      let prompt = try demoTokenizer.encode(chat: [ChatMessage(.user, "Hello")])
      #expect(status == 200 && body["tokens"] as? [Int32] == prompt)
    }
  }

  @Test func specialsAreTextWhenAskedFor() async throws {
    try await server().application().test(.router) { client in
      let text = "<｜end▁of▁sentence｜>"
      for (flag, expected) in [
        ("true", [demoTokenizer.eos].compactMap(\.self)), ("false", tokens(text)),
      ] {
        let (_, body) = try await post(
          "/tokenize", #"{"content":"\#(text)","parse_special":\#(flag)}"#, to: client)
        #expect(body["tokens"] as? [Int32] == expected)
      }
    }
  }

  @Test(arguments: [
    ("/tokenize", "{}", "content"), ("/tokenize", #"{"content":1}"#, "content"),
    ("/tokenize", #"{"content":"x","messages":[]}"#, "content"),
    ("/tokenize", #"{"content":"x","y":1}"#, "y"), ("/detokenize", "{}", "tokens"),
    ("/detokenize", #"{"tokens":["x"]}"#, "tokens"), ("/detokenize", #"{"tokens":[-1]}"#, "tokens"),
    ("/detokenize", #"{"tokens":[99999999999]}"#, "tokens"),
  ])
  func wrongFieldsAreNamed(path: String, body: String, param: String) async throws {
    try await server().application().test(.router) { client in
      let (status, answer) = try await post(path, body, to: client)
      #expect(status == 400)
      #expect((answer["error"] as? [String: Any])?["param"] as? String == param)
    }
  }

  @Test func aGroupWithoutAWorkerMakesTheClusterUnready() async throws {
    var picture = ClusterPicture()
    for (id, state) in [(1, ClusterPicture.State.ready), (2, .loading)] {
      picture.workers.append(
        ClusterPicture.Worker(
          id: id, name: "w\(id)", state: state, lostReason: nil, cores: 1, instructionSet: "x",
          memoryBudget: 1, memoryBandwidth: 1, assignedGroups: 1, loadedGroups: 1,
          residentBytes: 1, link: nil))
    }
    for (holders, expected) in [([[1], [1, 2]], 200), ([[1], [2]], 503)] {
      picture.layers = [ClusterPicture.Layer(layer: 1, uses: [], holders: holders)]
      let seen = picture
      let server = try server(change: { $0.cluster = { seen } })
      try await server.application().test(.router) { client in
        let response = try await client.executeRequest(
          uri: "/ready", method: .get, headers: [:], body: nil)
        #expect(response.status.code == expected)
      }
    }
  }

  @Test func readinessIsToldByTheCommand() async throws {
    let worker = Readiness.Worker(name: "w1", isReady: false, expertGroups: 3)
    for problem in [nil, "worker w1 is loading"] {
      let readiness = Readiness(problem: problem, workers: [worker])
      let server = try server(change: { $0.readiness = { readiness } })
      try await server.application().test(.router) { client in
        let response = try await client.executeRequest(
          uri: "/ready", method: .get, headers: [:], body: nil)
        let body = try parse(String(buffer: response.body))
        #expect(response.status.code == (problem == nil ? 200 : 503))
        #expect(body["problem"] as? String == problem)
        #expect((body["workers"] as? [[String: Any]])?.first?["name"] as? String == "w1")
        #expect(response.headers[.retryAfter] == (problem == nil ? nil : "5"))
      }
    }
  }
}
