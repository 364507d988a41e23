import Coordinator
import Experts
import Foundation
import Messages
import Placement
import Transport
import Testing
import Worker

/// Workers hold shared experts, too, and are lost, lie and come late: the bits are those of one process.
@Suite(.serialized) struct SharedExpertsTests {
  /// A cluster of some workers, and what one process answers.
  private func run(
    _ name: String, _ names: [String], withFiles: Bool = true,
    change: (inout ClusterOptions) -> Void = { _ in },
    body: (ClusterCoordinator, [ThreadWorker], _ check: () throws -> Void) throws -> Void
  ) throws {
    let model = try TestModel(name, movesShared: true)
    #expect(model.geometry.shared != nil)
    let layer = try #require(model.geometry.layers.last)
    let local = try LocalExperts(loading: model.catalog, kernels: testKernels)
    let expected = try (0..<6).map { try answer(local, layer, rows: 6, seed: $0) }
    let coordinator = try makeCoordinator(model.served, workers: names.count, change: change)
    let workers = names.map { name in
      ThreadWorker(join: coordinator.endpoint, model: withFiles ? model.archive : nil) {
        $0.name = name
      }
    }
    defer { end(coordinator, workers) }
    try coordinator.gather()
    let remote = try #require(coordinator.experts)
    try body(coordinator, workers) { () throws in
      for (seed, bits) in expected.enumerated() {
        #expect(try answer(remote, layer, rows: 6, seed: UInt64(seed)) == bits)
      }
    }
  }

  private func end(_ coordinator: ClusterCoordinator, _ workers: [ThreadWorker]) {
    coordinator.shutdown()
    for worker in workers { worker.stop() }
  }

  @Test(arguments: [TestModel.floats, TestModel.quantised], [true, false])
  func `workers load shared experts from their file or from the coordinator`(
    name: String, withFiles: Bool
  ) throws {
    try run(name, ["a", "b", "c"], withFiles: withFiles) { coordinator, _, check in
      let plan = try #require(coordinator.plan)
      let geometry = try #require(coordinator.experts?.geometry)
      let group = try #require(geometry.sharedGroup)
      #expect(plan.isComplete && plan.groupCount == geometry.groupCount + 1)
      for layer in geometry.layers { #expect(plan[layer, group].count == 1) }
      try check()
    }
  }

  @Test(arguments: [1, 2])
  func `the holder of shared experts is replaced, with replicas and without`(
    replicas: Int
  ) throws {
    try run(TestModel.quantised, ["a", "b", "c"]) {
      $0.replicas = replicas
      $0.verifyFraction = replicas > 1 ? 1 : 0
    } body: { coordinator, workers, check in
      try check()
      let geometry = try #require(coordinator.experts?.geometry)
      let group = try #require(geometry.sharedGroup)
      let layer = try #require(geometry.layers.last)
      let holder = try #require(coordinator.plan?[layer, group].first)
      let name = try #require(coordinator.workers.first { $0.id == holder }?.name)
      workers[try #require(["a", "b", "c"].firstIndex(of: name))].stop()
      try check()
      let remote = try #require(coordinator.experts)
      guard replicas > 1 else { return }
      // The second answer to a call may come when the call is over: the next one reads it.
      for _ in 0..<50 where remote.comparedCount == 0 { try check() }
      #expect(remote.comparedCount > 0)
    }
  }

  @Test func `what workers hold may be decided when all have said hello`() throws {
    let before = try TestModel(TestModel.quantised)
    let moved = try TestModel(TestModel.quantised, movesShared: true)
    let coordinator = try makeCoordinator(before.served, workers: 2)
    let workers = ["a", "b"].map { name in
      ThreadWorker(join: coordinator.endpoint, model: before.archive) { $0.name = name }
    }
    defer { end(coordinator, workers) }
    let offers = try coordinator.hear()
    #expect(offers.map(\.capacity.worker.rawValue) == [0, 1])
    #expect(offers.allSatisfy { $0.coreCount == 1 && $0.capacity.memoryByteCount == 1 << 30 })
    #expect(coordinator.distance?.leavesMachine == false)
    coordinator.serve(moved.catalog)
    try coordinator.gather()
    let remote = try #require(coordinator.experts)
    #expect(remote.geometry.shared != nil)
    let local = try LocalExperts(loading: moved.catalog, kernels: testKernels)
    let layer = try #require(remote.geometry.layers.first)
    #expect(
      try answer(remote, layer, rows: 5, seed: 3) == answer(local, layer, rows: 5, seed: 3))
  }

  @Test func `drained workers leave shared experts to the others`() throws {
    try run(TestModel.floats, ["a", "b"]) { coordinator, _, check in
      let first = try #require(coordinator.workers.first)
      coordinator.drain(first.id)
      let limit = ContinuousClock.now + .seconds(20)
      while ContinuousClock.now < limit,
        coordinator.workers.contains(where: { $0.id == first.id && $0.lostReason == nil })
      {
        try check()
      }
      #expect(coordinator.workers.first { $0.id == first.id }?.lostReason == "it was drained")
      try check()
    }
  }
}
