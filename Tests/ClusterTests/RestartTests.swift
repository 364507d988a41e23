import Foundation
import Glibc
import TestSupport
import Testing

extension ClusterTests {
  /// A coordinator that ends, however that happens, and starts again.
  @Suite struct Restart {
    /// A port that is free now.
    private func freePort() throws -> Int {
      let script =
        "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])"
      let ended = try ChildProcess("/usr/bin/env", ["python3", "-c", script]).wait()
      return try #require(Int(ended.text.trimmingCharacters(in: .whitespacesAndNewlines)))
    }

    private func serve(_ port: Int) throws -> RunningServer {
      try RunningServer([
        Fixtures.demoModel, "--listen", "tcp://127.0.0.1:\(port)", "--expect", "2", "--name",
        "demo",
      ])
    }

    @Test(arguments: [SIGTERM, SIGKILL])
    func `workers keep their experts`(signal: Int32) throws {
      let port = try freePort()
      let workers = try ["one", "two"].map { name in
        try ConclaveCommand.start([
          "worker", "--join", "tcp://127.0.0.1:\(port)", "--name", name, "--threads", "1",
        ])
      }
      let first = try serve(port)
      let question = "What is 551 + 56?"
      #expect(try first.ask(question).contains("607"))
      first.process.signal(signal)
      #expect(first.process.wait(limit: .seconds(20)).status == (signal == SIGTERM ? 0 : 137))
      let second = try serve(port)
      #expect(try second.ask(question).contains("607"))
      for worker in workers {
        #expect(worker.errorsSoFar.contains("Kept "), "\(worker.errorsSoFar)")
        #expect(worker.errorsSoFar.ranges(of: "Joined the coordinator").count == 2)
        worker.signal(SIGTERM)
      }
      second.process.signal(SIGTERM)
      #expect(second.process.wait(limit: .seconds(20)).status == 0)
    }
  }
}
