import Foundation
import Glibc
import TestSupport
import Testing

extension ClusterTests {
  /// Processes that die, hang or do not belong here: the same answers, no orphans, clear lines.
  @Suite struct Faults {
    /// An answer that goes on for longer than a test needs to disturb it.
    static let long = [
      "generate", Fixtures.path("gguf/blocks-of-32/Q8_0.gguf"), "--tokens", "1,2,3",
      "--workers", "2", "--max-tokens", "2500", "--ignore-end",
    ]

    /// Starts a long answer and waits until it streams.
    private func streaming(_ extra: [String] = []) throws -> (ChildProcess, workers: [pid_t]) {
      let process = try ConclaveCommand.start(Self.long + extra)
      let streams = ChildProcess.waits(upTo: .seconds(60)) { !process.outputSoFar.isEmpty }
      try #require(streams, "\(process.errorsSoFar)")
      let workers = ProcessTable.children(of: process.pid)
      try #require(workers.count == 2)
      return (process, workers)
    }

    private func haveEnded(_ workers: [pid_t]) -> Bool {
      ChildProcess.waits(upTo: .seconds(10)) { !workers.contains(where: ProcessTable.isRunning) }
    }

    @Test(arguments: [SIGKILL, SIGINT, SIGTERM])
    func `local workers end with their parent`(signal: Int32) throws {
      let (process, workers) = try streaming()
      process.signal(signal)
      let ended = process.wait(limit: .seconds(20))
      #expect(ended.status == (signal == SIGKILL ? 137 : 130), "\(ended.errors)")
      #expect(haveEnded(workers), "workers outlived their parent")
      if signal != SIGKILL {
        #expect(ended.errors.contains("tokens/s"), "the summary is missing: \(ended.errors)")
      }
    }

    @Test func `workers end while the model is still loading`() throws {
      let process = try ConclaveCommand.start(Self.long)
      let spawned = ChildProcess.waits(upTo: .seconds(30)) {
        !ProcessTable.children(of: process.pid).isEmpty
      }
      try #require(spawned)
      let workers = ProcessTable.children(of: process.pid)
      process.signal(SIGKILL)
      _ = process.wait()
      #expect(haveEnded(workers))
    }

    /// What the long answer is when nothing happens.
    private static let answer = Result { try ConclaveCommand.output(long) }

    /// Replicas, and what happens to the first worker.
    private static let losses: [(replicas: Int, signal: Int32)] = [
      (1, SIGKILL), (2, SIGKILL), (2, SIGSTOP),
    ]

    @Test(arguments: losses)
    func `an answer is the same when a worker is lost in its middle`(
      replicas: Int, signal: Int32
    ) throws {
      let (process, workers) = try streaming(["--replicas", "\(replicas)"])
      kill(workers[0], signal)
      let ended = process.wait(limit: .seconds(60))
      #expect(ended.status == 0, "\(ended.errors)")
      #expect(ended.output == (try Self.answer.get()))
      kill(workers[0], SIGCONT)
      #expect(haveEnded(workers))
    }

    @Test func `local workers are started again, and an answer is the same although all were lost`()
      throws
    {
      let (process, workers) = try streaming()
      for worker in workers { kill(worker, SIGKILL) }
      let ended = process.wait(limit: .seconds(60))
      #expect(ended.status == 0, "\(ended.errors)")
      #expect(ended.output == (try Self.answer.get()))
    }

    @Test func `workers join from elsewhere, with the file and without it`() throws {
      let address = "tcp://127.0.0.1:\(try FreePort.take())"
      let call = ["logits", Fixtures.demoModel, "--tokens", "5,6,7,8", "--json"]
      let expected = try ConclaveCommand.output(call)
      let coordinator = try ConclaveCommand.start(call + ["--listen", address, "--expect", "2"])
      let withFile = try ConclaveCommand.start([
        "worker", "--join", address, "--model", Fixtures.demoModel,
      ])
      let withoutFile = try ConclaveCommand.start(["worker", "--join", address])
      let ended = coordinator.wait(limit: .seconds(60))
      #expect(ended.status == 0, "\(ended.errors)")
      #expect(ended.output == expected)
      for worker in [withFile, withoutFile] {  // they wait for the next coordinator
        #expect(ProcessTable.isRunning(worker.pid))
        worker.signal(SIGTERM)
        #expect(worker.wait(limit: .seconds(20)).status == 0)
      }
    }

    @Test func `a worker with another model is refused with a line on both sides`() throws {
      let address = "tcp://127.0.0.1:\(try FreePort.take())"
      let coordinator = try ConclaveCommand.start([
        "logits", Fixtures.demoModel, "--tokens", "5", "--listen", address, "--expect", "1",
        "--join-timeout", "5",
      ])
      let worker = try ConclaveCommand.run([
        "worker", "--join", address, "--model", Fixtures.path("gguf/v2-lite-like.gguf"),
      ])
      #expect(worker.status == 1)
      #expect(worker.errorLines.contains { $0.contains("model") }, "\(worker.errors)")
      let ended = coordinator.wait(limit: .seconds(30))
      #expect(ended.status == 1)
      #expect(ended.errorLines.contains { $0.contains("model") }, "\(ended.errors)")
    }

    @Test func `workers without room are refused with a line on both sides`() throws {
      let address = "tcp://127.0.0.1:\(try FreePort.take())"
      let coordinator = try ConclaveCommand.start([
        "logits", Fixtures.demoModel, "--tokens", "5", "--listen", address, "--expect", "1",
      ])
      let worker = try ConclaveCommand.start(["worker", "--join", address, "--memory", "1MiB"])
      let ended = coordinator.wait(limit: .seconds(30))
      #expect(ended.status == 1)
      #expect(ended.errorLines.last?.contains("memory") == true, "\(ended.errors)")
      let told = ChildProcess.waits(upTo: .seconds(10)) { worker.errorsSoFar.contains("memory") }
      #expect(told, "\(worker.errorsSoFar)")
    }

    @Test func `a coordinator whose workers do not come says so`() throws {
      let address = "tcp://127.0.0.1:\(try FreePort.take())"
      let ended = try ConclaveCommand.run([
        "logits", Fixtures.demoModel, "--tokens", "5", "--listen", address, "--expect", "1",
        "--join-timeout", "1",
      ])
      #expect(ended.status == 1)
      #expect(ended.errorLines.last?.contains("0 of 1 workers joined") == true, "\(ended.errors)")
    }

    @Test func `a worker holds its experts and little more`() throws {
      let process = try ConclaveCommand.start([
        "generate", Fixtures.demoModel, "--tokens", "5", "--workers", "2", "--temperature", "1",
        "--seed", "3", "--max-tokens", "1500", "--context", "1600",
      ])
      let streams = ChildProcess.waits(upTo: .seconds(60)) { !process.outputSoFar.isEmpty }
      try #require(streams, "\(process.errorsSoFar)")
      let experts = 4_300_000  // of the demo model's 5 layers × 24 experts, one worker's half
      for worker in ProcessTable.children(of: process.pid) {
        let resident = try #require(ProcessTable.residentBytes(of: worker))
        #expect(resident < experts * 11 / 10 + 64 << 20, "worker \(worker)")
      }
      process.signal(SIGKILL)
    }
  }
}
