import Coordinator
import Experts
import Tensors
import Telemetry
import ModelFiles
import Placement
import Testing
import Worker

/// Remote experts give the same bits as local ones, whoever holds them.
@Suite(.serialized) struct OneAnswerTests {
  private func check(
    _ model: TestModel, workers count: Int, withFile: (Int) -> Bool
  ) throws {
    let local = try LocalExperts(loading: model.catalog, kernels: testKernels)
    let coordinator = try makeCoordinator(model.served, workers: count)
    let workers = (0..<count).map {
      ThreadWorker(join: coordinator.endpoint, model: withFile($0) ? model.archive : nil)
    }
    defer {
      coordinator.shutdown()
      for worker in workers { worker.stop() }
    }
    try coordinator.gather()
    let remote = try #require(coordinator.experts)
    for layer in model.geometry.layers {
      for (rows, seed) in [(1, 1), (1, 2), (37, 3)] as [(Int, UInt64)] {
        let expected = try answer(local, layer, rows: rows, seed: seed)
        #expect(try answer(remote, layer, rows: rows, seed: seed) == expected)
      }
    }
    #expect(remote.staleReplyCount == 0)
    #expect(coordinator.workers.count == count)
    #expect(coordinator.workers.allSatisfy { $0.isReady && $0.lostReason == nil })
    let loaded = coordinator.workers.reduce(0) { $0 + $1.loadedGroups }
    #expect(loaded == model.geometry.layers.count * model.geometry.groupCount)
  }

  @Test(arguments: [TestModel.floats, TestModel.quantised], [1, 2, 3, 5])
  func `workers with the file give the same bits`(name: String, workers: Int) throws {
    try check(TestModel(name), workers: workers) { _ in true }
  }

  @Test(arguments: [TestModel.floats, TestModel.quantised])
  func `workers that receive their experts give the same bits`(name: String) throws {
    try check(TestModel(name), workers: 3) { $0 == 1 }
  }

  @Test func `more workers than groups leave some spare`() throws {
    try check(TestModel(TestModel.floats), workers: 9) { _ in true }
  }

  @Test func `two batches may be on their way at once`() throws {
    let model = try TestModel(TestModel.quantised)
    let local = try LocalExperts(loading: model.catalog, kernels: testKernels)
    let coordinator = try makeCoordinator(model.served, workers: 2)
    let workers = (0..<2).map { _ in
      ThreadWorker(join: coordinator.endpoint, model: model.archive)
    }
    defer {
      coordinator.shutdown()
      for worker in workers { worker.stop() }
    }
    try coordinator.gather()
    let remote = try #require(coordinator.experts)
    let layers = Array(model.geometry.layers.prefix(2))
    let tickets = try layers.map { layer in
      try remote.dispatch(makeBatch(model.geometry, layer, rows: 5, seed: 9), layer: layer)
    }
    for (layer, ticket) in zip(layers, tickets) {
      var sum = FloatMatrix(rows: 5, columns: model.geometry.hiddenSize)
      try remote.combine(ticket, into: &sum)
      #expect(bits(sum) == (try answer(local, layer, rows: 5, seed: 9)))
    }
    // Tickets that are never combined cost nothing later.
    for _ in 0..<10 {
      let layer = layers[0]
      _ = try remote.dispatch(makeBatch(model.geometry, layer, rows: 2, seed: 4), layer: layer)
    }
    #expect(
      try answer(remote, layers[0], rows: 3, seed: 5) == answer(local, layers[0], rows: 3, seed: 5))
    #expect(throws: ClusterError.batch("dispatch 1 is not on its way")) {
      var sum = FloatMatrix(rows: 5, columns: model.geometry.hiddenSize)
      try remote.combine(tickets[0], into: &sum)
    }
  }

  @Test func `a dense model's workers join and stay idle`() throws {
    let model = try TestModel(TestModel.floats)
    let log = LogLines()
    let coordinator = try makeCoordinator(
      ServedModel.none, workers: 2, log: log)
    let workers = (0..<2).map {
      ThreadWorker(join: coordinator.endpoint, model: $0 == 0 ? model.archive : nil)
    }
    try coordinator.gather()
    #expect(coordinator.experts == nil)
    #expect(log.contain("The model has no routed experts; the workers stay idle"))
    let prober = try #require(coordinator.prober)
    for worker in 0..<2 {
      let results = try prober.probe(worker: worker, payloadByteCount: 100, count: 2)
      #expect(results.map(\.exchanges.count) == [2])
    }
    coordinator.shutdown()
    for worker in workers { #expect(throws: Never.self) { try worker.waitForEnd()?.get() } }
    for worker in workers { #expect(worker.hasEnded) }
  }

  @Test func `links are measured, with and without computation`() throws {
    let model = try TestModel(TestModel.floats)
    let coordinator = try makeCoordinator(model.served, workers: 2)
    let workers = (0..<2).map { _ in
      ThreadWorker(join: coordinator.endpoint, model: model.archive)
    }
    defer {
      coordinator.shutdown()
      for worker in workers { worker.stop() }
    }
    try coordinator.gather()
    let remote = try #require(coordinator.experts)
    let prober = try #require(coordinator.prober)
    #expect(try prober.connectPlainly(port: nil).isEmpty)
    #expect(try prober.connectOtherwise(port: nil).isEmpty)
    for size in [0, 1_000, 3 << 20] {
      for worker in 0..<2 {
        let results = try prober.probe(worker: worker, payloadByteCount: size, count: 3)
        #expect(results.map(\.transport) == [.tcp, .zeromq, .curve])
        #expect(results.map(\.roundTrips.count) == [3, 3, 3])
        #expect(results.allSatisfy { $0.payloadByteCount == size && $0.roundTrips.p50 > .zero })
      }
    }
    _ = try answer(remote, model.geometry.layers[0], rows: 16, seed: 1)
    for link in coordinator.latencies {
      #expect(link.hops.roundTrip.count == 1)
      #expect(link.hops.roundTrip.max >= link.hops.compute.p50)
    }
  }

  /// As after a stall: all are due at once, and are more than queues and kernel buffers hold.
  @Test(arguments: [0, 4 << 20])
  func `probes that are due together all have their echoes`(size: Int) throws {
    let coordinator = try makeCoordinator(ServedModel.none, workers: 1)
    let worker = ThreadWorker(join: coordinator.endpoint, model: nil)
    defer {
      coordinator.shutdown()
      worker.stop()
    }
    try coordinator.gather()
    let prober = try #require(coordinator.prober)
    #expect(try prober.connectPlainly(port: nil).isEmpty)
    let results = try prober.probe(
      worker: 0, payloadByteCount: size, count: 75, interval: .zero)
    #expect(results.map(\.transport) == [.tcp, .zeromq])
    for result in results {
      #expect(result.exchanges.count == 75)
      #expect(result.exchanges.allSatisfy { $0.arrivedAt >= $0.sentAt })
    }
  }
}
