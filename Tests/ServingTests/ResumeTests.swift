import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Inference
import Serving
import NIOCore
import Synchronization
import Testing
import Tokenization

private let story = hello + #","stream":true,"temperature":1.5,"max_tokens":24"#

@Suite(.timeLimit(.minutes(10))) struct ResumeTests {
  /// Whatever the client has seen, the rest is what it would have got.
  @Test func aStreamGoesOnWhereItWasDropped() async throws {
    try await server("one two three four five").application().test(.router) { client in
      // Without a seed: the server has chosen one, and keeps it.
      let all = try await sentEvents(chat, story + "}", to: client)
      let id = try #require(all.first?.id?.split(separator: ":").first.map(String.init))
      #expect(try parse(all[0].data)["id"] as? String == id)
      // A stream that breaks before its first event has a name, too.
      let name = try await client.execute(
        uri: "/v1/requests/\(id)", method: .get
      ) { $0.headers[HTTPField.Name("x-stream-id")!] }
      #expect(name == id)
      for count in 0..<all.count {
        let rest = try await sentEvents("/v1/requests/\(id)?from=\(count)", nil, to: client)
        // [DONE] has no number: it always comes.
        #expect(rest == Array(all.dropFirst(min(count, all.count - 1))))
        guard let last = all[..<count].last?.id else { continue }
        for (path, body) in [("/v1/requests/\(id)", nil), (chat, story + "}")]
          as [(String, String?)]
        {
          let headers: HTTPFields = [HTTPField.Name("Last-Event-ID")!: last]
          #expect(try await sentEvents(path, body, headers: headers, to: client) == rest)
        }
      }
    }
  }

  @Test func severalAnswersHaveAPositionEach() async throws {
    try await server("one two three").application().test(.router) { client in
      let all = try await sentEvents(chat, story + #","n":2}"#, to: client)
      let last = try #require(all.dropLast().last?.id)
      let counts = last.split(separator: ":")[1].split(separator: ".").compactMap { Int($0) }
      #expect(counts.count == 2)
      let id = last.split(separator: ":")[0]
      let rest = try await sentEvents(
        "/v1/requests/\(id)?from=\(counts[0]).0", nil, to: client)
      let second = all.filter {
        (try? choice(parse($0.data)))?["index"] as? Int == 1
      }.map(\.data)
      #expect(rest.dropLast().map(\.data) == second)
    }
  }

  @Test func aDroppedStreamEndsAndCanStillBeContinued() async throws {
    let gate = Gate()
    let text = "one two three"
    try await server(text) { step in if step == 2 { gate.pass() } }.application().test(.live) {
      client in
      let port = try #require(client.port)
      let connection = try await RawConnection(port: port)
      let received = Received()
      try await connection.post(hello + #","stream":true,"temperature":0}"#) { parts in
        await gate.waitForArrival()
        while received.text.components(separatedBy: "\n\n").count < 3,
          let part = try await parts.next()
        {
          received.append(String(buffer: part))
        }
      }
      gate.open(1000)
      let seen = received.text.components(separatedBy: "\n\n").dropLast()
      let last = try #require(ids(in: received.text).last)
      let rest = try await sentEvents(
        "/v1/requests/\(last.split(separator: ":")[0])", nil,
        headers: [HTTPField.Name("Last-Event-ID")!: last], to: client)
      let before = seen.compactMap { $0.components(separatedBy: "data: ").dropFirst().last }
      let deltas = try (before + rest.dropLast().map(\.data)).map(parse).compactMap {
        (choice($0)["delta"] as? [String: Any])?["content"] as? String
      }
      #expect(deltas.joined() == text)
    }
  }

  @Test(arguments: [
    ("/v1/requests/nothing", 404), ("/v1/requests/nothing?from=x", 400),
    ("/v1/requests/nothing?from=-1", 400), ("/v1/requests/nothing?from=99999999999999999999", 400),
    ("/v1/requests/nothing?from=1.", 400),
  ])
  func whatIsNotThereCannotBeContinued(path: String, expected: Int) async throws {
    try await server().application().test(.router) { client in
      let response = try await client.executeRequest(
        uri: path, method: .get, headers: [:], body: nil)
      #expect(response.status.code == expected)
      #expect(try parse(String(buffer: response.body))["error"] != nil)
    }
  }

  @Test(arguments: ["", "x", "x:", "x:y", ":", "x:1.2.x", String(repeating: "9", count: 1000)])
  func wrongPositionsAreRefused(value: String) async throws {
    try await server().application().test(.router) { client in
      let response = try await client.executeRequest(
        uri: chat, method: .post, headers: [HTTPField.Name("Last-Event-ID")!: value],
        body: ByteBuffer(string: hello + "}"))
      #expect(response.status.code == 400)
    }
  }
}

/// What has come, from one task to another.
private final class Received: Sendable {
  private let state = Mutex("")
  var text: String { state.withLock { $0 } }
  func append(_ more: String) { state.withLock { $0 += more } }
}
