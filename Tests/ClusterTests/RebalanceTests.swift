import Foundation
import Glibc
import TestSupport
import Testing

extension ClusterTests {
  /// Real processes whose experts change places under way.
  @Suite struct Rebalance {
    private func story(_ server: RunningServer) throws -> String {
      let body = """
        {"prompt": "Once upon a time", "max_tokens": 120, "temperature": 1, "seed": 3}
        """
      let answer = try server.request("/v1/completions", body: body)
      #expect(answer.status == 200)
      let json = answer.text.range(of: "\r\n\r\n").map { answer.text[$0.upperBound...] } ?? ""
      let object = try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any]
      let choices = object?["choices"] as? [[String: Any]]
      return try #require(choices?.first?["text"] as? String)
    }

    @Test func `experts move and are copied while a server answers, and no token changes`() throws {
      let own = try RunningServer([Fixtures.demoModel, "--name", "demo", "--threads", "1"])
      let expected = try story(own)
      own.process.signal(SIGTERM)
      #expect(own.process.wait(limit: .seconds(30)).status == 0)
      let address = "tcp://127.0.0.1:\(try FreePort.take())"
      // Two groups of 314 kB more than half of the experts. Workers that end with their input say
      // that they are equally fast; what they would measure is up to other processes.
      let workers = try ["one", "two"].map {
        try ConclaveCommand.start(
          [
            "worker", "--join", address, "--name", $0, "--threads", "1", "--memory", "3900KiB",
            "--end-with-input",
          ], input: nil)
      }
      let server = try RunningServer([
        Fixtures.demoModel, "--listen", address, "--expect", "2", "--name", "demo", "--threads",
        "1", "--rebalance", "0.2", "--no-prefix-cache",
      ])
      defer {
        for worker in workers { worker.signal(SIGKILL) }
        server.process.signal(SIGTERM)
        #expect(server.process.wait(limit: .seconds(30)).status == 0)
      }
      let moved = ChildProcess.waits(upTo: .seconds(120)) {
        #expect((try? story(server)) == expected)
        return server.process.errorsSoFar.contains("the new holders are asked from now on")
      }
      #expect(moved, "\(server.process.errorsSoFar)")
      for _ in 0..<3 { #expect(try story(server) == expected) }
    }
  }
}
