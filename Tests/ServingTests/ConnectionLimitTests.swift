import Foundation
import Hummingbird
import HummingbirdTesting
import NIOCore
import Serving
import Synchronization
import Testing

/// Clients that take their time: slow heads, slow bodies, no requests at all, too many connections.
@Suite(.timeLimit(.minutes(10))) struct ConnectionLimitTests {
  /// A server whose patience is short.
  private func impatient() throws -> ChatServer {
    try server(change: {
      $0.connectionLimits.headTimeout = .seconds(1)
      $0.connectionLimits.bodyTimeout = .seconds(1)
      $0.connectionLimits.idleTimeout = .seconds(1)
    })
  }

  private static let question =
    "POST \(chat) HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: "
    + "\(hello.utf8.count + 1)\r\n\r\n\(hello)}"

  /// Sends parts with pauses until the server hangs up; what it had said.
  private func drip(_ parts: [String], port: Int) async throws -> String {
    let connection = try await RawConnection(port: port)
    let said = Mutex("")
    // The server closes the connection under our hands, at any moment.
    try? await connection.channel.executeThenClose { inbound, outbound in
      let sender = Task {
        for part in parts {
          try await outbound.write(ByteBuffer(string: part))
          try await Task.sleep(for: .milliseconds(20))
        }
        try await Task.sleep(for: .seconds(600))
      }
      defer { sender.cancel() }
      for try await part in inbound { said.withLock { $0 += String(buffer: part) } }
    }
    return said.withLock { $0 }
  }

  @Test func `clients that never finish a request are hung up on, and others are served`()
    async throws
  {
    try await impatient().application().test(.live) { client in
      let port = try #require(client.port)
      let head = "POST \(chat) HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n"
      let slow: [[String]] = [
        [],
        ["G"],
        ["GET /health HTTP/1.1\r\nhost: x\r\n"] + (0..<500).map { "x-\($0): y\r\n" },
        [head] + (0..<500).map { _ in "{" },
        [head],
        ["GET /health HTTP/1.1\r\nhost: x\r\n\r\n", "GET /hea"] + (0..<500).map { _ in "l" },
        ["GET /health HTTP/1.1\r\nhost: x\r\n\r\n"],
      ]
      try await withThrowingTaskGroup(of: (Int, String).self) { tasks in
        for (index, parts) in slow.enumerated() {
          for _ in 0..<3 {
            tasks.addTask { (index, try await drip(parts, port: port)) }
          }
        }
        for try await (index, text) in tasks {
          // Who did not ask was not answered; who asked once, not more than once.
          #expect(
            text.ranges(of: "HTTP/1.1 200").count <= (index >= 5 ? 1 : 0), "\(index): \(text)")
        }
      }
      // An honest client is served; on a busy machine it may be too late, too, and asks again.
      var isServed = false
      for _ in 0..<20 where !isServed {
        isServed = try await drip([Self.question], port: port).hasPrefix("HTTP/1.1 200")
      }
      #expect(isServed)
    }
  }

  @Test func `requests that are sent ahead are answered one after another`() async throws {
    try await server().application().test(.live) { client in
      let port = try #require(client.port)
      let connection = try await RawConnection(port: port)
      try await connection.channel.executeThenClose { inbound, outbound in
        let request = "GET /health HTTP/1.1\r\nhost: x\r\n\r\n"
        let last = "GET /nowhere HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
        let all = String(repeating: request, count: 20) + last
        try await outbound.write(ByteBuffer(string: all))
        var text = ""
        for try await part in inbound { text += String(buffer: part) }
        #expect(text.ranges(of: "HTTP/1.1 200").count == 20)
        #expect(text.ranges(of: "HTTP/1.1 404").count == 1)
      }
    }
  }

  /// What the server says to a head, and to the body that is sent once it said 100.
  private func answers(toHead fields: String, port: Int) async throws -> String {
    let connection = try await RawConnection(port: port)
    return try await connection.channel.executeThenClose { inbound, outbound in
      let head = "POST \(chat) HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\(fields)\r\n\r\n"
      try await outbound.write(ByteBuffer(string: head))
      var text = ""
      for try await part in inbound {
        text += String(buffer: part)
        if text == "HTTP/1.1 100 Continue\r\n\r\n" {
          try await outbound.write(ByteBuffer(string: hello + "}"))
        } else if text.contains("\r\n\r\n") {
          break
        }
      }
      return text
    }
  }

  @Test func `a client that asks before it sends a body is told at once`() async throws {
    try await server().application().test(.live) { client in
      let port = try #require(client.port)
      let length = "content-length: \(hello.utf8.count + 1)"
      let expected = [
        "expect: 100-continue\r\n\(length)": "100 Continue\r\n\r\nHTTP/1.1 200",
        "Expect: 100-Continue\r\n\(length)": "100 Continue\r\n\r\nHTTP/1.1 200",
        "expect: 100-continue\r\ncontent-length: 9000000": "413",
        "expect: 100-continue\r\ncontent-encoding: gzip\r\n\(length)": "415",
        "expect: applause\r\n\(length)": "417",
      ]
      for (fields, status) in expected {
        let text = try await answers(toHead: fields, port: port)
        #expect(text.hasPrefix("HTTP/1.1 " + status), "\(fields): \(text)")
      }
    }
  }

  @Test func `a long path is refused`() async throws {
    try await server().application().test(.live) { client in
      let long = "/v1/models?x=" + String(repeating: "y", count: 9_000)
      let response = try await client.executeRequest(
        uri: long, method: .get, headers: [:], body: nil)
      #expect(response.status == .uriTooLong)
      let fits = "/v1/models?x=" + String(repeating: "y", count: 8_000)
      let other = try await client.executeRequest(
        uri: fits, method: .get, headers: [:], body: nil)
      #expect(other.status == .ok)
    }
  }

  @Test func `an address has so many connections, and this machine any number`() {
    let census = ConnectionCensus()
    for _ in 0..<3 { #expect(census.enter("192.0.2.1", limit: 3)) }
    #expect(!census.enter("192.0.2.1", limit: 3))
    #expect(census.enter("192.0.2.2", limit: 3))
    census.leave("192.0.2.1")
    #expect(census.enter("192.0.2.1", limit: 3))
    for _ in 0..<100 { #expect(census.enter("127.0.0.1", limit: 3)) }
    for _ in 0..<3 { census.leave("192.0.2.1") }
    census.leave("192.0.2.2")
    for _ in 0..<100 { census.leave("127.0.0.1") }
    #expect(census.addressCount == 0)
  }

  @Test func `a deadline follows the request, not the answer`() {
    var progress = ConnectionProgress()
    #expect(progress.bytesArrived() == .none, "the first head is due from the beginning")
    #expect(progress.headArrived() == .set(.body))
    #expect(progress.requestEnded() == .clear)
    #expect(progress.phase == .answer)
    #expect(progress.bytesArrived() == .none, "what comes ahead has time")
    #expect(progress.headArrived() == .set(.body))
    #expect(!progress.deadlinePassed(), "the server does not read it yet")
    #expect(progress.answerEnded() == .none)
    #expect(progress.deadlinePassed())
    #expect(progress.requestEnded() == .clear)
    #expect(progress.answerEnded() == .none)
    #expect(progress.phase == .idle)
    #expect(progress.bytesArrived() == .set(.head))
    #expect(progress.deadlinePassed())
    // An answer that comes before its request has ended.
    _ = progress.headArrived()
    #expect(progress.answerEnded() == .none)
    #expect(progress.phase == .body)
    #expect(progress.requestEnded() == .clear)
    #expect(progress.phase == .idle)
  }
}
