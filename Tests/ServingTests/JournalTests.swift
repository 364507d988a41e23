import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Inference
import Logging
import Serving
import Testing
import Tokenization

@Suite(.timeLimit(.minutes(10))) struct JournalTests {
  private static let text = #"{"a": "one two three four"}"#

  private func server(
    journal path: String, beforeStep: @escaping @Sendable (Int) throws -> Void = { _ in }
  ) throws -> ChatServer {
    let model = ScriptedModel(
      answer: tokens(Self.text), tokenizer: demoTokenizer, beforeStep: beforeStep)
    var settings = EngineOptions()
    settings.journal = try RequestJournal(path: path)
    var options = ChatServer.Options(modelName: "demo")
    options.port = 0
    options.keepsJournal = true
    return ChatServer(
      engine: try Engine(model, tokenizer: demoTokenizer, options: settings),
      tokenizer: demoTokenizer, options: options, logger: Logger(label: "test"))
  }

  /// The second server knows of the stream from the file only, its constraint and seed included.
  @Test func aStreamSurvivesARestart() async throws {
    let path = NSTemporaryDirectory() + "journal-\(UUID())"
    defer { try? FileManager.default.removeItem(atPath: path) }
    let gate = Gate()
    let first = try server(journal: path) { step in if step >= 3 { gate.pass() } }
    let request =
      hello + #","stream":true,"response_format":{"type":"json_object"},"max_tokens":64}"#
    let id = try await first.application().test(.live) { client in
      let port = try #require(client.port)
      let (identifiers, found) = AsyncStream<String>.makeStream()
      try await RawConnection(port: port).post(request) { parts in
        await gate.waitForArrival()
        var text = ""
        while !text.contains("id: chatcmpl-"), let part = try await parts.next() {
          text += String(buffer: part)
        }
        // The process "dies" while the client still reads.
        first.engine.shutdown(cancelling: true)
        gate.open(1000)
        await first.engine.waitUntilStopped()
        found.yield(ids(in: text).first?.split(separator: ":").first.map(String.init) ?? "")
        found.finish()
      }
      return try #require(await identifiers.first { _ in true })
    }

    let second = try server(journal: path)
    #expect(second.resumeUnfinished().isEmpty)
    try await second.application().test(.router) { client in
      for _ in 0..<2 {
        let events = try await sentEvents("/v1/requests/\(id)", nil, to: client)
        let deltas = try events.dropLast().map { try parse($0.data) }.compactMap {
          (choice($0)["delta"] as? [String: Any])?["content"] as? String
        }
        #expect(deltas.joined() == Self.text)
        #expect(events.last?.data == "[DONE]")
        #expect(try parse(#require(events.first).data)["id"] as? String == id)
      }
    }
    second.engine.shutdown(cancelling: false)
    await second.engine.waitUntilStopped()
    // What has been answered is not run again, unless its client asks for it: the client of this
    // stream may have been cut off with the server, just before the end.
    let third = try server(journal: path)
    #expect(third.resumeUnfinished().isEmpty)
    #expect(third.engine.finishedBefore.count == 1)
    try await third.application().test(.router) { client in
      let events = try await sentEvents("/v1/requests/\(id)", nil, to: client)
      let deltas = try events.dropLast().map { try parse($0.data) }.compactMap {
        (choice($0)["delta"] as? [String: Any])?["content"] as? String
      }
      #expect(deltas.joined() == Self.text && events.last?.data == "[DONE]")
    }
    third.engine.shutdown(cancelling: false)
    await third.engine.waitUntilStopped()
  }
}
