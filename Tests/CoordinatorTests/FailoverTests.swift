import Coordinator
import Experts
import Foundation
import Messages
import ModelFiles
import Placement
import Testing
import Transport
import Worker

/// Workers come, go and lie while calls are made: every answer has the bits of a run without faults.
@Suite(.serialized) struct FailoverTests {
  let model: TestModel
  let layer: LayerIndex
  let expected: [[UInt32]]

  init() throws {
    let model = try TestModel(TestModel.floats)
    let layer = model.geometry.layers[0]
    let local = try LocalExperts(loading: model.catalog, kernels: testKernels)
    expected = try (0..<8).map { try answer(local, layer, rows: 6, seed: $0) }
    self.model = model
    self.layer = layer
  }

  /// A gathered cluster whose workers have these names.
  private func cluster(
    _ names: [String], withFiles: Bool = true, log: LogLines = LogLines(),
    change: (inout ClusterOptions) -> Void = { _ in }
  ) throws -> (ClusterCoordinator, [ThreadWorker]) {
    let coordinator = try makeCoordinator(
      model.served, workers: names.count, log: log, change: change)
    let workers = names.map { join(coordinator, $0, withFile: withFiles) }
    try coordinator.gather()
    return (coordinator, workers)
  }

  private func join(
    _ coordinator: ClusterCoordinator, _ name: String, withFile: Bool = true, memory: Int = 1 << 30
  ) -> ThreadWorker {
    ThreadWorker(
      join: coordinator.endpoint, model: withFile ? model.archive : nil, memory: memory
    ) { $0.name = name }
  }

  private func check(_ remote: RemoteExperts) throws {
    for (seed, bits) in expected.enumerated() {
      #expect(try answer(remote, layer, rows: 6, seed: UInt64(seed)) == bits)
    }
  }

  /// Waits, generously, for something that other threads do.
  private func waits(for condition: () -> Bool) -> Bool {
    let end = ContinuousClock.now + .seconds(20)
    while ContinuousClock.now < end {
      if condition() { return true }
      usleep(5_000)
    }
    return condition()
  }

  private func live(_ coordinator: ClusterCoordinator) -> [WorkerSummary] {
    coordinator.workers.filter {
      $0.lostReason == nil && $0.isReady && $0.loadedGroups == $0.assignedGroups
    }
  }

  @Test func `with replicas every group has two holders, and the work is spread`() throws {
    let (coordinator, workers) = try cluster(["a", "b", "c"]) { $0.replicas = 2 }
    defer { end(coordinator, workers) }
    let plan = try #require(coordinator.plan)
    for unit in plan.units { #expect(Set(plan[unit.layer, unit.group]).count == 2) }
    let first = Set(plan.units.compactMap { plan[$0.layer, $0.group].first })
    #expect(first.count == 3)
    try check(try #require(coordinator.experts))
  }

  @Test func `too little memory for copies is said with the numbers`() throws {
    let size = model.geometry.byteCount
    let coordinator = try makeCoordinator(model.served, workers: 2) { $0.replicas = 2 }
    let workers = ["a", "b"].map { join(coordinator, $0, memory: size * 3 / 4) }
    defer { end(coordinator, workers) }
    let error = #expect(throws: ClusterError.self) { try coordinator.gather() }
    let text = error?.description ?? ""
    #expect(text.hasPrefix("2 copies of the routed experts need 2 times "), "\(text)")
    #expect(text.hasSuffix("add workers, raise their --memory, or lower --replicas"), "\(text)")
  }

  @Test(arguments: [true, false])
  func `a worker that goes is replaced by the others, with replicas and without`(
    hasReplicas: Bool
  ) throws {
    let (coordinator, workers) = try cluster(["a", "b", "c"]) { $0.replicas = hasReplicas ? 2 : 1 }
    defer { end(coordinator, workers) }
    let remote = try #require(coordinator.experts)
    try check(remote)
    workers[1].stop()
    try check(remote)
    let restored = waits {
      let plan = coordinator.plan
      let count = hasReplicas ? 2 : 1
      return live(coordinator).count == 2
        && plan?.units.allSatisfy { plan?[$0.layer, $0.group].count == count } == true
    }
    #expect(restored, "\(coordinator.workers)")
    workers[0].stop()
    try check(remote)
  }

  @Test func `without files the others are sent what is missing while they answer`() throws {
    let (coordinator, workers) = try cluster(["a", "b"], withFiles: false)
    defer { end(coordinator, workers) }
    let remote = try #require(coordinator.experts)
    workers[0].stop()
    try check(remote)
    #expect(
      live(coordinator).map(\.loadedGroups) == [
        model.geometry.layers.count * model.geometry.groupCount
      ])
  }

  @Test func `all are lost, calls fail with what is missing, and go on when one returns`() throws {
    let (coordinator, workers) = try cluster(["a", "b"]) { $0.recoveryTimeout = .milliseconds(200) }
    let remote = try #require(coordinator.experts)
    for worker in workers { worker.stop() }
    let error = #expect(throws: ExpertsUnavailable.self) {
      while true { _ = try answer(remote, layer, rows: 6, seed: 1) }
    }
    #expect(error?.description.contains("expert groups have no worker: worker ") == true)
    let late = join(coordinator, "c")
    defer { end(coordinator, [late]) }
    #expect(waits { live(coordinator).count == 1 })
    #expect(waits { (try? answer(remote, layer, rows: 6, seed: 1)) == expected[1] })
    try check(remote)
  }

  /// The time without a worker went on after one had come and gone while nobody asked: the first request
  /// of the next gap, minutes later, failed at once.
  @Test func `a gap that was closed meanwhile does not count for the next one`() throws {
    let (coordinator, workers) = try cluster(["a"]) { $0.recoveryTimeout = .milliseconds(500) }
    defer { end(coordinator, workers) }
    let remote = try #require(coordinator.experts)
    workers[0].stop()
    #expect(throws: ExpertsUnavailable.self) {
      while true { _ = try answer(remote, layer, rows: 6, seed: 1) }
    }
    let second = join(coordinator, "b")
    #expect(waits { live(coordinator).count == 1 })
    second.stop()
    #expect(waits { live(coordinator).isEmpty })
    let start = ContinuousClock.now
    #expect(throws: ExpertsUnavailable.self) { try answer(remote, layer, rows: 6, seed: 1) }
    #expect(ContinuousClock.now - start >= .milliseconds(500))
  }

  @Test func `a call waits for the worker that returns`() throws {
    let (coordinator, workers) = try cluster(["a"])
    let remote = try #require(coordinator.experts)
    workers[0].stop()
    let late = join(coordinator, "b")
    defer { end(coordinator, [late]) }
    try check(remote)
  }

  @Test func `who joins late takes a part of the work, or what it had`() throws {
    let (coordinator, workers) = try cluster(["a"])
    defer { end(coordinator, workers) }
    let remote = try #require(coordinator.experts)
    try check(remote)
    let second = join(coordinator, "b")
    #expect(waits { live(coordinator).count == 2 })
    try check(remote)
    let plan = try #require(coordinator.plan)
    let newcomer = try #require(coordinator.workers.last?.id)
    let share = plan.units.count { plan[$0.layer, $0.group].first == newcomer }
    #expect(share > 0 && share < plan.units.count)
    #expect(
      waits { remote.latencies.contains { $0.worker == newcomer } || (try? check(remote)) == nil })
    second.stop()
    try check(remote)
    let again = join(coordinator, "b")
    defer { again.stop() }
    #expect(waits { live(coordinator).count == 2 })
    let last = try #require(coordinator.workers.last)
    #expect(last.assignedGroups == share)
    try check(remote)
  }

  @Test func `a drained worker leaves when others hold its groups`() throws {
    let (coordinator, workers) = try cluster(["a", "b"])
    defer { end(coordinator, workers) }
    let remote = try #require(coordinator.experts)
    workers[0].daemon.drain()
    #expect(throws: Never.self) { try workers[0].waitForEnd()?.get() }
    #expect(workers[0].log.contain("Drained: others hold its experts now"), "\(workers[0].log.all)")
    try check(remote)
    #expect(live(coordinator).count == 1)
  }

  @Test func `a worker that nobody can relieve goes when its time is over`() throws {
    let coordinator = try makeCoordinator(model.served, workers: 1)
    let worker = ThreadWorker(join: coordinator.endpoint, model: model.archive) {
      $0.drainTimeout = .milliseconds(200)
    }
    defer { end(coordinator, [worker]) }
    try coordinator.gather()
    #expect(waits { worker.log.contain("Holding") })
    worker.daemon.drain()
    #expect(throws: Never.self) { try worker.waitForEnd()?.get() }
    #expect(worker.log.contain("Nobody took over this worker's experts"), "\(worker.log.all)")
  }

  @Test func `a worker that wants to go does not wait for a coordinator that is gone`() throws {
    let coordinator = try makeCoordinator(model.served, workers: 1) {
      $0.workersEndWithIt = false
      $0.silenceLimit = .seconds(2)
    }
    let worker = ThreadWorker(join: coordinator.endpoint, model: model.archive)
    defer { worker.stop() }
    try coordinator.gather()
    #expect(waits { worker.log.contain("Holding") })
    worker.daemon.drain()
    #expect(waits { worker.log.contain("Asking others to take over") })
    coordinator.shutdown()
    #expect(throws: Never.self) { try worker.waitForEnd()?.get() }
    #expect(worker.hasEnded)
  }

  @Test func `a worker that lies is dropped and another one answers`() throws {
    let coordinator = try makeCoordinator(model.served, workers: 2) { $0.replicas = 2 }
    let honest = join(coordinator, "b")
    let liar = ScriptedWorker(join: coordinator.endpoint, change: { $0.name = "a" }) {
      [$0.header { $0.checksum ^= 1 }]
    }
    defer {
      end(coordinator, [honest])
      liar.stop()
    }
    try coordinator.gather()
    try check(try #require(coordinator.experts))
    #expect(waits { coordinator.workers.contains { $0.lostReason?.contains("it sent ") == true } })
  }

  @Test func `a silent worker costs one hedge, not one for every call`() throws {
    let coordinator = try makeCoordinator(model.served, workers: 2) { $0.replicas = 2 }
    let honest = join(coordinator, "b")
    let silent = ScriptedWorker(join: coordinator.endpoint, change: { $0.name = "a" }) { _ in [] }
    defer {
      end(coordinator, [honest])
      silent.stop()
    }
    try coordinator.gather()
    let remote = try #require(coordinator.experts)
    try check(remote)
    #expect(remote.hedgeCount == 1)
  }

  @Test func `a worker that computes wrongly is found by comparing, and dropped`() throws {
    let coordinator = try makeCoordinator(model.served, workers: 2) {
      $0.replicas = 2
      $0.verifyFraction = 1
    }
    let honest = join(coordinator, "b")
    let wrong = ScriptedWorker(join: coordinator.endpoint, change: { $0.name = "a" }) { [$0] }
    defer {
      end(coordinator, [honest])
      wrong.stop()
    }
    try coordinator.gather()
    let remote = try #require(coordinator.experts)
    // Its zeros may have been taken for the first answers; they are compared a little later.
    #expect(
      waits {
        _ = try? answer(remote, layer, rows: 6, seed: 1)
        return coordinator.workers.contains {
          $0.name == "a" && $0.lostReason?.contains("it computes layer 1 wrongly") == true
        }
      })
    #expect(remote.comparedCount > 0)
    try check(remote)
    #expect(coordinator.workers.contains { $0.name == "b" && $0.lostReason == nil })
  }

  /// Connections were remembered for ever that said they were a worker's; newcomers still have to be
  /// found among them.
  @Test func `attachments of strangers stay few, and workers that come later are attached`() throws
  {
    let (coordinator, workers) = try cluster(["a"])
    var all = workers
    defer { end(coordinator, all) }
    let remote = try #require(coordinator.experts)
    let dealer = try DealerSocket(
      try TransportContext(), connect: coordinator.dataEndpoint, as: .random(), .data())
    let codec = MessageCodec()
    for _ in 0..<RemoteExperts.mostAttachments + 500 {
      var bytes: [UInt8] = []
      let header = DataHeader(
        incarnation: .random(), epoch: Epoch(rawValue: 1), model: model.served.digest.short,
        checksum: 0, body: .attach)
      try codec.encode(header, into: &bytes)
      var message = Multipart()
      repeat {
        message.removeAll()
        for frame in [bytes, [], []] { try message.append(frame) }
        if try dealer.send(&message) { break }
        _ = try answer(remote, layer, rows: 1, seed: 1)
      } while true
    }
    for seed in 0..<200 as Range<UInt64> { _ = try answer(remote, layer, rows: 1, seed: seed) }
    #expect(remote.attachmentCount > 1 && remote.attachmentCount <= RemoteExperts.mostAttachments)
    all.append(join(coordinator, "late"))
    #expect(
      waits {
        _ = try? answer(remote, layer, rows: 6, seed: 1)
        return remote.latencies.contains { $0.label.contains("late") }
      })
    try check(remote)
  }

  @Test func `a worker that cannot compute is passed over`() throws {
    let coordinator = try makeCoordinator(model.served, workers: 2) { $0.replicas = 2 }
    let honest = join(coordinator, "b")
    let weak = ScriptedWorker(join: coordinator.endpoint, change: { $0.name = "a" }) {
      [
        $0.payload { $0 = [] }.reply {
          $0.partialCount = 0
          $0.error = "no memory"
        }
      ]
    }
    defer {
      end(coordinator, [honest])
      weak.stop()
    }
    try coordinator.gather()
    try check(try #require(coordinator.experts))
  }

  private func end(_ coordinator: ClusterCoordinator, _ workers: [ThreadWorker]) {
    coordinator.shutdown()
    for worker in workers { worker.stop() }
  }
}
