import Foundation
import Glibc
import TestSupport
import Testing

extension ClusterTests {
  /// A server whose workers die, return, come late and leave: requests are answered all the while.
  @Suite struct Survival {
    private static let question = "What is 551 + 56?"

    private func serve(_ port: Int, workers: Int, _ extra: [String] = []) throws -> RunningServer {
      try RunningServer(
        [
          Fixtures.demoModel, "--listen", "tcp://127.0.0.1:\(port)", "--expect", "\(workers)",
          "--name", "demo", "--threads", "1",
        ] + extra)
    }

    private func join(_ port: Int, _ name: String) throws -> ChildProcess {
      try ConclaveCommand.start([
        "worker", "--join", "tcp://127.0.0.1:\(port)", "--name", name, "--threads", "1",
      ])
    }

    private func end(_ server: RunningServer, _ workers: [ChildProcess]) {
      for worker in workers { worker.signal(SIGKILL) }
      server.process.signal(SIGTERM)
      #expect(server.process.wait(limit: .seconds(30)).status == 0)
    }

    /// How many workers hold something and answer.
    private func isReady(_ server: RunningServer) -> Bool {
      (try? server.request("/ready").status) == 200
    }

    @Test(arguments: ["coordinator", "workers"])
    func `a worker in a restart loop is not noticed`(sharedExperts: String) throws {
      let port = try FreePort.take()
      let steady = try join(port, "steady")
      var flapping = try join(port, "flapping")
      let server = try serve(
        port, workers: 2, ["--replicas", "2", "--shared-experts", sharedExperts])
      defer { end(server, [steady, flapping]) }
      for _ in 0..<5 {
        flapping.signal(SIGKILL)
        #expect(try server.ask(Self.question).contains("607"))
        flapping = try join(port, "flapping")
        #expect(try server.ask(Self.question).contains("607"))
      }
    }

    @Test func `local workers that are killed leave nothing open`() throws {
      let server = try RunningServer([
        Fixtures.demoModel, "--workers", "2", "--replicas", "2", "--name", "demo",
      ])
      defer { end(server, []) }
      func openPipes() throws -> Int {
        let folder = "/proc/\(server.process.pid)/fd"
        return try FileManager.default.contentsOfDirectory(atPath: folder).count {
          let file = "\(folder)/\($0)"
          let target = try? FileManager.default.destinationOfSymbolicLink(atPath: file)
          return target?.hasPrefix("pipe:") == true
        }
      }
      let before = try openPipes()
      for _ in 0..<4 {
        let workers = ProcessTable.children(of: server.process.pid)
        if let worker = workers.first { kill(worker, SIGKILL) }
        #expect(try server.ask(Self.question).contains("607"))
        #expect(
          ChildProcess.waits(upTo: .seconds(20)) {
            ProcessTable.children(of: server.process.pid).count == 2
          })
      }
      #expect(ChildProcess.waits(upTo: .seconds(5)) { (try? openPipes()) == before })
    }

    @Test func `without workers there is 503 with what is missing, until one comes`() throws {
      let port = try FreePort.take()
      let workers = [try join(port, "one"), try join(port, "two")]
      let server = try serve(port, workers: 2, ["--recovery-timeout", "0.5"])
      #expect(try server.ask(Self.question).contains("607"))
      for worker in workers { worker.signal(SIGKILL) }
      let refused = ChildProcess.waits(upTo: .seconds(20)) {
        let answer = try? server.ask(Self.question)
        return answer?.contains("HTTP/1.1 503") == true
          && answer?.contains("expert groups have no worker: worker ") == true
      }
      #expect(refused)
      #expect(try server.request("/ready").status == 503)
      let late = try join(port, "three")
      defer { end(server, [late]) }
      #expect(ChildProcess.waits(upTo: .seconds(30)) { isReady(server) })
      #expect(try server.ask(Self.question).contains("607"))
    }

    @Test func `workers leave by drain and by SIGTERM, with status 0`() throws {
      let port = try FreePort.take()
      let workers = try ["one", "two", "three"].map { try join(port, $0) }
      let server = try serve(port, workers: 3)
      defer { end(server, workers) }
      let drained = try ConclaveCommand.run([
        "drain", "one", "--server", "http://127.0.0.1:\(server.port)",
      ])
      #expect(drained.status == 0, "\(drained.errors)")
      #expect(workers[0].wait(limit: .seconds(30)).status == 0)
      #expect(try server.ask(Self.question).contains("607"))
      workers[1].signal(SIGTERM)
      #expect(workers[1].wait(limit: .seconds(30)).status == 0)
      #expect(workers[1].errorsSoFar.contains("Drained"), "\(workers[1].errorsSoFar)")
      #expect(try server.ask(Self.question).contains("607"))
      let unknown = try ConclaveCommand.failure([
        "drain", "nobody", "--server", "http://127.0.0.1:\(server.port)",
      ])
      #expect(unknown.contains("there is no such worker"))
    }
  }
}
