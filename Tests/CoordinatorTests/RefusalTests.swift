import Coordinator
import Experts
import Messages
import ModelFiles
import Testing
import Worker

/// Workers that do not fit the cluster: a clear line on both sides, and the cluster goes on.
@Suite(.serialized) struct RefusalTests {
  let model: TestModel

  init() throws { model = try TestModel(TestModel.floats) }

  /// Joins a worker that must be refused; returns what both sides say.
  private func refusal(_ change: @escaping (inout Hello) -> Void) throws -> (String?, LogLines) {
    let log = LogLines()
    let coordinator = try makeCoordinator(model.served, workers: 1, log: log)
    let stranger = ScriptedWorker(join: coordinator.endpoint, change: change) { [$0] }
    var text: String?
    let good = Locked<ThreadWorker?>(nil)
    try coordinator.gather(
      interruption: {
        guard good.value == nil, log.contain("Refused") else { return nil }
        text = stranger.waitForRefusal()
        let worker = ThreadWorker(join: coordinator.endpoint, model: model.archive)
        good.change { $0 = worker }
        return nil
      })
    #expect(coordinator.workers.count == 1)
    coordinator.shutdown()
    good.value?.stop()
    return (text, log)
  }

  @Test func `another numerics profile is refused`() throws {
    let (text, log) = try refusal { $0.numericsProfile = "q8b32-i16/2" }
    let expected =
      "the worker computes by numerics profile q8b32-i16/2, the coordinator by q8b32-i16/1; "
      + "run the same release of conclave on every machine"
    #expect(text == expected)
    #expect(log.contain("Refused scripted: " + expected))
  }

  @Test func `another model file is refused`() throws {
    let (text, log) = try refusal { $0.modelDigest = ModelDigest(bytes: Array(0..<32)) }
    let expected =
      "the worker's model file has digest 000102030405, the coordinator's "
      + "\(model.archive.digest.description.prefix(12)); give the worker the same file, or start it "
      + "without --model"
    #expect(text == expected)
    #expect(log.contain("Refused scripted: " + expected))
  }

  @Test func `a refused daemon ends with the coordinator's line`() throws {
    let other = try TestModel(TestModel.quantised)
    let coordinator = try makeCoordinator(model.served, workers: 1)
    let worker = ThreadWorker(join: coordinator.endpoint, model: other.archive)
    let good = ThreadWorker(join: coordinator.endpoint, model: nil)
    try coordinator.gather()
    let error = #expect(throws: WorkerError.self) { try worker.waitForEnd()?.get() }
    #expect(
      error?.description.hasPrefix(
        "refused by the coordinator at \(coordinator.endpoint): the worker's model file has digest")
        == true)
    coordinator.shutdown()
    good.stop()
  }

  @Test func `too little memory is said with the numbers, on both sides`() throws {
    let coordinator = try makeCoordinator(model.served, workers: 2)
    let workers = (0..<2).map { _ in
      ThreadWorker(join: coordinator.endpoint, model: model.archive, memory: 1_000)
    }
    let error = #expect(throws: ClusterError.self) { try coordinator.gather() }
    let text = error?.description ?? ""
    #expect(text.hasPrefix("the routed experts need "), "\(text)")
    #expect(
      text.hasSuffix(", 2 workers offer 1.96 KiB; add workers, or raise their --memory"),
      "\(text)")
    for worker in workers {
      let refused = #expect(throws: WorkerError.self) { try worker.waitForEnd()?.get() }
      #expect(refused?.description.hasSuffix(error?.description ?? "?") == true)
    }
  }

  @Test func `a daemon without a coordinator waits and says so`() {
    let worker = ThreadWorker(join: "tcp://127.0.0.1:9", model: nil)
    while !worker.log.contain("Waiting for a coordinator at tcp://127.0.0.1:9") {}
    #expect(!worker.hasEnded)
    worker.stop()
    #expect(throws: Never.self) { try worker.waitForEnd()?.get() }
  }

  @Test func `an address that is none ends the daemon`() {
    let worker = ThreadWorker(join: "nowhere", model: nil)
    let error = #expect(throws: (any Error).self) { try worker.waitForEnd()?.get() }
    #expect(
      error.map { "\($0)" } == "nowhere: cannot connect: Invalid argument; give an address as in "
        + "tcp://192.168.1.10:7171")
  }

  @Test func `too few workers are an error after the join timeout`() throws {
    let coordinator = try makeCoordinator(model.served, workers: 2) {
      $0.joinTimeout = .milliseconds(100)
    }
    #expect(throws: ClusterError.tooFewWorkers(joined: 0, expected: 2, within: .milliseconds(100)))
    {
      try coordinator.gather()
    }
  }

  @Test func `a released worker joins the next coordinator on the address`() throws {
    let first = try makeCoordinator(model.served, workers: 1) { $0.workersEndWithIt = false }
    let endpoint = first.endpoint
    let worker = ThreadWorker(join: endpoint, model: model.archive)
    try first.gather()
    first.shutdown()
    while !worker.log.contain("The coordinator ends: the coordinator ends") {}
    #expect(!worker.hasEnded)
    worker.stop()
  }
}
