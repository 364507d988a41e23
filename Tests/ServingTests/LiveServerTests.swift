import Foundation
import Hummingbird
import HummingbirdTesting
import Serving
import Inference
import NIOCore
import NIOPosix
import ServiceLifecycle
import Testing
import Tokenization

/// A connection that a test may cut at any time.
struct RawConnection {
  let channel: NIOAsyncChannel<ByteBuffer, ByteBuffer>

  init(port: Int) async throws {
    channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .connect(host: "127.0.0.1", port: port) { channel in
        channel.eventLoop.makeCompletedFuture {
          try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
        }
      }
  }

  /// Sends a request and calls `body` with what comes back; the connection closes afterwards.
  func post(
    _ json: String,
    body:
      @Sendable (inout NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator) async throws -> Void
  ) async throws {
    try await channel.executeThenClose { inbound, outbound in
      let head = "POST \(chat) HTTP/1.1\r\nhost: x\r\ncontent-length: \(json.utf8.count)\r\n\r\n"
      try await outbound.write(ByteBuffer(string: head + json))
      var iterator = inbound.makeAsyncIterator()
      try await body(&iterator)
    }
  }
}

/// Returns once `condition` holds.
private func eventually(_ condition: () -> Bool) async throws {
  while !condition() { try await Task.sleep(for: .milliseconds(2)) }
}

private let stream = hello + #","stream":true}"#
private let longAnswer = String(repeating: "word ", count: 60)

@Suite(.timeLimit(.minutes(10))) struct LiveServerTests {
  @Test func oneConnectionServesSeveralRequests() async throws {
    try await server().application().test(.live) { client in
      for _ in 0..<3 {
        #expect(try await post(chat, hello + "}", to: client).status == 200)
        let events = try await events(chat, stream, to: client)
        #expect(events.last == "[DONE]")
        #expect(try await post(chat, "{", to: client).status == 400)
      }
    }
  }

  @Test func textIsSentWhileTheModelStillWorks() async throws {
    let gate = Gate()
    try await server("one two") { _ in gate.pass() }.application().test(.live) { client in
      let port = try #require(client.port)
      try await RawConnection(port: port).post(stream) { parts in
        await gate.waitForArrival()
        gate.open()  // the prompt, then one token; the next step waits
        var text = ""
        while !text.contains("one"), let part = try await parts.next() {
          text += String(buffer: part)
        }
        #expect(text.contains("one") && !text.contains("two"))
        gate.open(100)
        while !text.contains("[DONE]"), let part = try await parts.next() {
          text += String(buffer: part)
        }
        #expect(text.contains("two"))
      }
    }
  }

  @Test(arguments: [stream, hello + "}"])
  func aClientThatGoesAwayFreesTheEngine(request: String) async throws {
    let gate = Gate()
    let log = ScriptedModel.Log()
    try await server(longAnswer, log: log) { _ in gate.pass() }.application().test(.live) {
      client in
      let port = try #require(client.port)
      try await RawConnection(port: port).post(request) { _ in
        await gate.waitForArrival()
        gate.open()
        await gate.waitForArrival()
      }
      try await Task.sleep(for: .milliseconds(100))
      gate.open(1000)
      // The answer that nobody wants has ended when the next request runs.
      #expect(try await post(chat, hello + #","max_tokens":1}"#, to: client).status == 200)
      #expect(log.all.count <= 4)
      // Its end is no failure.
      var metrics = ""
      while !metrics.contains(#"generations_total{reason="cancelled"} 1"#) {
        metrics = try await client.execute(uri: "/metrics", method: .get) {
          String(buffer: $0.body)
        }
      }
      #expect(metrics.contains(#"generations_total{reason="failed"} 0"#))
    }
  }

  @Test func aClientThatGoesAwayLeavesTheQueue() async throws {
    let gate = Gate()
    let server = try server { step in if step == 0 { gate.pass() } }
    try await server.application().test(.live) { client in
      let port = try #require(client.port)
      // A raw connection has no patience that could end on a busy machine.
      try await RawConnection(port: port).post(stream) { parts in
        await gate.waitForArrival()
        for request in [stream, hello + "}"] {
          try await RawConnection(port: port).post(request) { _ in
            try await eventually { server.engine.waitingCount == 1 }
          }
          try await eventually { server.engine.waitingCount == 0 }
        }
        gate.open()
        var text = ""
        while !text.contains("[DONE]"), let part = try await parts.next() {
          text += String(buffer: part)
        }
        #expect(text.contains("[DONE]"))
      }
    }
  }

  @Test func healthIsAnsweredWhileTheEngineWorks() async throws {
    let gate = Gate()
    try await server { step in if step == 0 { gate.pass() } }.application().test(.live) { client in
      let port = try #require(client.port)
      try await RawConnection(port: port).post(stream) { _ in
        await gate.waitForArrival()
        let response = try await client.executeRequest(
          uri: "/health", method: .get, headers: [:], body: nil)
        #expect(response.status == .ok)
        gate.open()
      }
    }
  }

  @Test func aGracefulShutdownAnswersFirst() async throws {
    let gate = Gate()
    let (ports, found) = AsyncStream<Int>.makeStream()
    let server = try server { step in if step == 0 { gate.pass() } }
    let application = server.application { found.yield($0) }
    let group = ServiceGroup(services: [application], logger: server.logger)
    try await withThrowingTaskGroup(of: Void.self) { tasks in
      tasks.addTask { try await group.run() }
      let port = try #require(await ports.first { _ in true })
      try await RawConnection(port: port).post(stream) { parts in
        await gate.waitForArrival()
        await group.triggerGracefulShutdown()
        try await Task.sleep(for: .milliseconds(50))
        gate.open()
        var text = ""
        while !text.contains("[DONE]"), let part = try await parts.next() {
          text += String(buffer: part)
        }
        #expect(text.contains("[DONE]"))
      }
      try await tasks.waitForAll()
    }
    server.engine.shutdown(cancelling: false)
    await server.engine.waitUntilStopped()
  }

  @Test func tooManyHeadersAreRefused() async throws {
    try await server().application().test(.live) { client in
      let port = try #require(client.port)
      let connection = try await RawConnection(port: port)
      try await connection.channel.executeThenClose { inbound, outbound in
        let headers = (0..<5000).map { "x\($0): y\r\n" }.joined()
        try await outbound.write(ByteBuffer(string: "GET /health HTTP/1.1\r\n\(headers)\r\n"))
        var text = ""
        do {
          for try await part in inbound { text += String(buffer: part) }
        } catch {}  // closed under our hands
        #expect(text.isEmpty || text.hasPrefix("HTTP/1.1 4"))
      }
      #expect(try await post(chat, hello + "}", to: client).status == 200)
    }
  }

  /// Proxies and clients give up a stream that says nothing for long, as one of a long prompt does.
  @Test func aStreamThatWaitsShowsThatItLives() async throws {
    let gate = Gate()
    let server = try server(
      "one two", beforeStep: { _ in gate.pass() }, change: { $0.longestSilence = .milliseconds(50) }
    )
    try await server.application().test(.live) { client in
      let port = try #require(client.port)
      try await RawConnection(port: port).post(stream) { parts in
        var text = ""
        while text.components(separatedBy: "\r\n:\n\n\r\n").count < 3,
          let part = try await parts.next()
        {
          text += String(buffer: part)
        }
        #expect(!text.contains("one"))
        gate.open(100)
        while !text.contains("[DONE]"), let part = try await parts.next() {
          text += String(buffer: part)
        }
        #expect(text.contains("two") && text.contains("[DONE]"))
      }
    }
  }
}
