import Coordinator
import Experts
import Tensors
import TestSupport
import Testing
import Worker

/// A call to experts elsewhere allocates nothing of ours, neither on the engine's thread nor there.
@Suite(.serialized, .enabled(if: Allocations.areCounted)) struct AllocationTests {
  @Test(arguments: [TestModel.floats, TestModel.quantised])
  func `dispatch and combine allocate nothing of ours`(name: String) throws {
    let cluster = try Cluster(name)
    defer { cluster.stop() }
    try cluster.gather()
    try cluster.run(20)
    let allocations = try Allocations.count { try cluster.run(100) }
    #expect(allocations.own == 0)
    // Frames and queues are the library's; if it made none, the counter would not see it.
    #expect(allocations.zeroMQ > 0)
  }

  @Test(arguments: [TestModel.floats, TestModel.quantised])
  func `an answer allocates nothing of ours on the worker's thread`(name: String) throws {
    let cluster = try Allocations.adoptingThreads { try Cluster(name) }
    defer { cluster.stop() }
    try cluster.gather()
    try cluster.run(20)
    let allocations = try Allocations.count(here: false, threads: "compute") {
      try cluster.run(100)
    }
    #expect(allocations.own == 0)
    #expect(allocations.zeroMQ > 0)
  }
}

/// Two workers in this process, and a batch for them.
private final class Cluster {
  private let model: TestModel
  private let coordinator: ClusterCoordinator
  private let workers: [ThreadWorker]
  private var remote: RemoteExperts?
  private let layer: LayerIndex
  private let batch: RoutedBatch
  private var sum: FloatMatrix

  init(_ name: String) throws {
    let model = try TestModel(name)
    let coordinator = try makeCoordinator(model.served, workers: 2)
    self.model = model
    self.coordinator = coordinator
    workers = (0..<2).map { _ in ThreadWorker(join: coordinator.endpoint, model: model.archive) }
    layer = model.geometry.layers[0]
    batch = makeBatch(model.geometry, layer, rows: 1, seed: 1)
    sum = FloatMatrix(rows: 1, columns: model.geometry.hiddenSize)
  }

  func gather() throws {
    try coordinator.gather()
    remote = coordinator.experts
  }

  /// Sends the batch so many times.
  func run(_ count: Int) throws {
    let remote = try #require(remote)
    for _ in 0..<count {
      try remote.combine(try remote.dispatch(batch, layer: layer), into: &sum)
    }
  }

  func stop() {
    coordinator.shutdown()
    for worker in workers { worker.stop() }
  }
}
