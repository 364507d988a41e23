import Foundation
import Glibc
import TestSupport
import Testing

extension ClusterTests {
  /// A coordinator that ends, however that happens, and starts again.
  @Suite struct Restart {
    private func serve(_ port: Int) throws -> RunningServer {
      try RunningServer([
        Fixtures.demoModel, "--listen", "tcp://127.0.0.1:\(port)", "--expect", "2", "--name",
        "demo",
      ])
    }

    @Test(arguments: [SIGTERM: 0, SIGKILL: 137, SIGABRT: 134])
    func `workers keep their experts`(signal: Int32, status: Int32) throws {
      let port = try FreePort.take()
      let workers = try ["one", "two"].map { name in
        try ConclaveCommand.start([
          "worker", "--join", "tcp://127.0.0.1:\(port)", "--name", name, "--threads", "1",
        ])
      }
      let first = try serve(port)
      let question = "What is 551 + 56?"
      #expect(try first.ask(question).contains("607"))
      first.process.signal(signal)
      #expect(first.process.wait(limit: .seconds(20)).status == status)
      #expect(!first.process.errorsSoFar.contains("Backtracing"), "a crash ends at once")
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
