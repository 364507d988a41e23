import Coordinator
import Experts
import Tensors
import TestSupport
import Testing
import Worker

/// A call to experts elsewhere allocates nothing of ours on the engine's thread.
@Suite(.serialized, .enabled(if: Allocations.areCounted)) struct AllocationTests {
  @Test(arguments: [TestModel.floats, TestModel.quantised])
  func `dispatch and combine allocate nothing of ours`(name: String) throws {
    let model = try TestModel(name)
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
    let layer = model.geometry.layers[0]
    let batch = makeBatch(model.geometry, layer, rows: 1, seed: 1)
    var sum = FloatMatrix(rows: 1, columns: model.geometry.hiddenSize)
    func run(_ count: Int) throws {
      for _ in 0..<count {
        try remote.combine(try remote.dispatch(batch, layer: layer), into: &sum)
      }
    }
    try run(20)
    let allocations = try Allocations.count { try run(100) }
    #expect(allocations.own == 0)
    // Frames and queues are the library's; if it made none, the counter would not see it.
    #expect(allocations.zeroMQ > 0)
  }
}
