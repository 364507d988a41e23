import Foundation
import Glibc
import TestSupport
import Testing

extension ClusterTests {
  /// The server as a process, with workers behind it.
  @Suite struct Serve {
    /// Sends one HTTP request and returns everything that came back.
    private func ask(_ port: Int, _ method: String, _ path: String, _ body: String = "") throws
      -> String
    {
      let request =
        "\(method) \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        + "Content-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
      let script = "exec 3<>/dev/tcp/127.0.0.1/\(port) && cat >&3 && cat <&3"
      return try ChildProcess("/bin/bash", ["-c", script], input: request).wait().text
    }

    private func start() throws -> (ChildProcess, port: Int) {
      let server = try ConclaveCommand.start([
        "serve", Fixtures.demoModel, "--http", "127.0.0.1:0", "--workers", "2", "--name", "demo",
      ])
      let marker = "listening on http://127.0.0.1:"
      let listens = ChildProcess.waits(upTo: .seconds(30)) {
        server.errorsSoFar.contains(marker) && server.errorsSoFar.hasSuffix("\n")
      }
      try #require(listens, "\(server.errorsSoFar)")
      let rest = server.errorsSoFar.split(separator: marker).last ?? ""
      return (server, port: try #require(Int(rest.prefix { $0.isNumber })))
    }

    @Test func `it answers, and ends cleanly with its workers`() throws {
      let (server, port) = try start()
      #expect(server.errorsSoFar.contains(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z listening on/))
      let workers = ProcessTable.children(of: server.pid)
      #expect(workers.count == 2)
      #expect(try ask(port, "GET", "/health").contains("200 OK"))
      #expect(try ask(port, "GET", "/v1/models").contains("\"demo\""))
      let question = """
        {"model": "demo", "temperature": 0, \
        "messages": [{"role": "user", "content": "What is 551 + 56?"}]}
        """
      #expect(try ask(port, "POST", "/v1/chat/completions", question).contains("607"))
      server.signal(SIGTERM)
      #expect(server.wait(limit: .seconds(20)).status == 0)
      let ended = ChildProcess.waits(upTo: .seconds(10)) {
        !workers.contains(where: ProcessTable.isRunning)
      }
      #expect(ended)
    }

    @Test func `while workers are awaited, clients are told so`() throws {
      let (http, port) = (try FreePort.take(), try FreePort.take())
      let server = try ConclaveCommand.start([
        "serve", Fixtures.demoModel, "--http", "127.0.0.1:\(http)", "--listen",
        "tcp://127.0.0.1:\(port)", "--expect", "1", "--name", "demo", "--threads", "1",
      ])
      let question = #"{"messages": [{"role": "user", "content": "What is 551 + 56?"}]}"#
      let isTold = ChildProcess.waits(upTo: .seconds(60)) {
        let answer = (try? ask(http, "POST", "/v1/chat/completions", question)) ?? ""
        return answer.hasPrefix("HTTP/1.1 503") && answer.contains("workers are awaited")
      }
      #expect(isTold, "\(server.errorsSoFar)")
      #expect(try ask(http, "GET", "/health").hasPrefix("HTTP/1.1 503"))
      let worker = try ConclaveCommand.start([
        "worker", "--join", "tcp://127.0.0.1:\(port)", "--threads", "1",
      ])
      let isReady = ChildProcess.waits(upTo: .seconds(60)) {
        (try? ask(http, "GET", "/ready").hasPrefix("HTTP/1.1 200")) ?? false
      }
      #expect(isReady, "\(server.errorsSoFar)")
      #expect(try ask(http, "POST", "/v1/chat/completions", question).contains("607"))
      server.signal(SIGTERM)
      #expect(server.wait(limit: .seconds(20)).status == 0)
      worker.signal(SIGTERM)
      _ = worker.wait(limit: .seconds(20))
    }

    @Test func `a port that is taken is one line`() throws {
      let (server, port) = try start()
      let second = try ConclaveCommand.run([
        "serve", Fixtures.demoModel, "--http", "127.0.0.1:\(port)",
      ])
      #expect(second.status == 1)
      #expect(second.errorLines.count == 1, "\(second.errors)")
      #expect(second.errors.contains("cannot serve on 127.0.0.1:\(port)"))
      server.signal(SIGINT)
      #expect(server.wait(limit: .seconds(20)).status == 0)
    }
  }
}
