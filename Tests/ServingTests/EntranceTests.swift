import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Logging
import Serving
import Testing

/// Clients that come before the model is there.
@Suite(.timeLimit(.minutes(10))) struct EntranceTests {
  @Test func `who comes early is told what is awaited, and let in afterwards`() async throws {
    var options = ChatServer.Options(modelName: "demo")
    options.port = 0
    let entrance = ServerEntrance(options, logger: Logger(label: "test"))
    try await entrance.application().test(.live) { client in
      for path in ["/health", "/ready", "/"] {
        let early = try await client.executeRequest(
          uri: path, method: .get, headers: [:], body: nil)
        #expect(early.status == .serviceUnavailable)
        #expect(early.headers[.retryAfter] == "5")
        let refresh = try #require(HTTPField.Name("refresh"))
        #expect(early.headers[refresh] == (path == "/" ? "2" : nil))
      }
      entrance.await("workers are awaited")
      let refused = try await post(chat, hello + "}", to: client)
      #expect(refused.status == 503)
      let error = refused.body["error"] as? [String: Any]
      #expect(error?["code"] as? String == "loading")
      #expect(error?["message"] as? String == "not ready yet: workers are awaited")

      entrance.open(to: try server())
      let answered = try await post(chat, hello + "}", to: client)
      #expect(answered.status == 200)
      for path in ["/health", "/ready"] {
        let late = try await client.executeRequest(
          uri: path, method: .get, headers: [:], body: nil)
        #expect(late.status == .ok)
      }
    }
  }
}
