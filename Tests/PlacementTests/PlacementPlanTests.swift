import Experts
import Placement
import Tensors
import Testing

/// SplitMix64: a small generator whose output a seed fixes.
private struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}

/// DeepSeek-V2-Lite's experts: 26 layers in 8 groups of 8, 1.7 MB and 2 MB per matrix.
private func liteGeometry(layers: Int = 26) throws -> ExpertGeometry {
  let shape = try ExpertShape(
    hiddenSize: 2048, expertIntermediateSize: 1408, expertCount: 64, expertsPerToken: 6,
    moeLayers: 1..<1 + layers, modelGroupCount: 1)
  let formats = (0..<layers).map { layer in
    ExpertFormats(gate: .q4K, up: .q4K, down: layer % 3 == 0 ? .q8_0 : .q5_0)
  }
  return try ExpertGeometry(shape: shape, layerFormats: formats)
}

private func worker(_ id: UInt32, gibibytes: Double, speed: Double = 40e9) -> WorkerCapacity {
  WorkerCapacity(
    worker: WorkerID(id), memoryByteCount: Int(gibibytes * Double(1 << 30)), bytesPerSecond: speed)
}

@Suite struct PlacementPlanTests {
  @Test(arguments: 1...12)
  func equalWorkersShareColumnsEqually(_ count: Int) throws {
    let geometry = try liteGeometry()
    let workers = (1...UInt32(count)).map { worker($0, gibibytes: 20) }
    let plan = try PlacementPlan.balanced(geometry, over: workers, epoch: 7)
    #expect(plan.epoch == 7 && plan.isComplete)
    #expect(plan.workers.count == min(count, 8))
    for worker in workers {
      let groups = Dictionary(grouping: plan.units(of: worker.worker), by: \.group)
      #expect(groups.count <= (8 + count - 1) / count)
      // Whole columns: a group is on one worker in every layer.
      for units in groups.values { #expect(units.count == 26) }
    }
  }

  @Test func aFasterWorkerReadsMore() throws {
    let geometry = try liteGeometry()
    let plan = try PlacementPlan.balanced(
      geometry,
      over: [worker(1, gibibytes: 20, speed: 30e9), worker(2, gibibytes: 20, speed: 90e9)],
      epoch: 1)
    #expect(plan.units(of: WorkerID(1)).count == 2 * 26)
    #expect(plan.units(of: WorkerID(2)).count == 6 * 26)
  }

  @Test func aLayerIsSharedWhenColumnsDoNotFit() throws {
    let geometry = try liteGeometry()
    // About 1.05 GiB a column and 8.4 GiB in all; nobody has room for a second column.
    let workers = (1...5).map { worker($0, gibibytes: 1.8) }
    let plan = try PlacementPlan.balanced(geometry, over: workers, epoch: 1)
    #expect(plan.isComplete)
    for worker in workers {
      #expect(plan.byteCount(of: worker.worker, geometry) <= worker.memoryByteCount)
    }
  }

  @Test func whatDoesNotFitIsSaidInNumbers() throws {
    let geometry = try liteGeometry()
    let large = #expect(throws: PlacementError.self) {
      try PlacementPlan.balanced(
        geometry, over: [worker(1, gibibytes: 2), worker(2, gibibytes: 3.5)], epoch: 1)
    }
    #expect(
      large?.description
        == "the routed experts need \(gibibytes(geometry.byteCount)) GiB, 2 workers offer "
        + "5.50 GiB; add workers, or raise their --memory")
    let one = #expect(throws: PlacementError.self) {
      try PlacementPlan.balanced(geometry, over: [worker(1, gibibytes: 0)], epoch: 1)
    }
    #expect(one?.description.contains("1 worker offers 0.00 KiB") == true)
    // Enough in all, but each worker has room for less than one group.
    let crumbs = (1...400).map { worker($0, gibibytes: 0.03) }
    let error = #expect(throws: PlacementError.self) {
      try PlacementPlan.balanced(geometry, over: crumbs, epoch: 1)
    }
    #expect(error?.description.contains("none has room for one more group") == true)
    #expect(throws: PlacementError.noWorkers) {
      try PlacementPlan.balanced(geometry, over: [], epoch: 1)
    }
  }

  @Test func hostileCapacitiesAreHarmless() throws {
    let geometry = try liteGeometry(layers: 2)
    let workers = [
      WorkerCapacity(worker: WorkerID(1), memoryByteCount: .max, bytesPerSecond: .nan),
      WorkerCapacity(worker: WorkerID(2), memoryByteCount: .max, bytesPerSecond: .infinity),
      WorkerCapacity(worker: WorkerID(3), memoryByteCount: .min, bytesPerSecond: -1),
      WorkerCapacity(worker: WorkerID(4), memoryByteCount: .max, bytesPerSecond: 1e300),
    ]
    let plan = try PlacementPlan.balanced(geometry, over: workers, epoch: 1)
    #expect(plan.isComplete && plan.workers == [WorkerID(4)])
  }

  @Test(arguments: 0..<200)
  func everyPlanIsCompleteWithinMemoryAndWithoutRegardToOrder(_ seed: UInt64) throws {
    var random = SeededGenerator(state: seed)
    let layers = Int.random(in: 1...30, using: &random)
    let groups = [1, 2, 8].randomElement(using: &random) ?? 1
    let shape = try ExpertShape(
      hiddenSize: 256 * Int.random(in: 1...8, using: &random), expertIntermediateSize: 512,
      expertCount: 16 * Int.random(in: 1...8, using: &random), expertsPerToken: 4,
      moeLayers: 1..<1 + layers, modelGroupCount: groups)
    let downs: [ElementFormat] = [.q4K, .q6K, .q8_0]
    let formats = (0..<layers).map { _ in
      ExpertFormats(gate: .q4K, up: .q4K, down: downs.randomElement(using: &random) ?? .q4K)
    }
    let geometry = try ExpertGeometry(shape: shape, layerFormats: formats)
    let need = Double(geometry.byteCount) / Double(1 << 30)
    let count = Int.random(in: 1...20, using: &random)
    let workers = (1...UInt32(count)).map { id in
      worker(
        id, gibibytes: need / Double(count) * Double.random(in: 0.5...2.5, using: &random),
        speed: Double.random(in: 1e9...200e9, using: &random))
    }
    let plan: PlacementPlan
    do {
      plan = try PlacementPlan.balanced(geometry, over: workers, epoch: 3)
    } catch let error {
      // Only what is really short, or nearly so, may be refused.
      let units = geometry.layers.flatMap { layer in
        geometry.groups.map { geometry.byteCount(layer, $0) }
      }
      let largest = try #require(units.max())
      let room = workers.reduce(0) { $0 + $1.memoryByteCount / largest }
      #expect(room < units.count, "seed \(seed): \(error)")
      return
    }
    #expect(plan.isComplete, "seed \(seed)")
    let shuffled = workers.shuffled(using: &random)
    #expect(try plan == PlacementPlan.balanced(geometry, over: shuffled, epoch: 3))
    var total = 0
    for worker in workers {
      let bytes = plan.byteCount(of: worker.worker, geometry)
      #expect(bytes <= worker.memoryByteCount, "seed \(seed)")
      total += bytes
    }
    #expect(total == geometry.byteCount, "seed \(seed): one replica each")
  }

  private func gibibytes(_ byteCount: Int) -> String {
    let hundredths = (byteCount * 100 + (1 << 30) - 1) >> 30
    let fraction = hundredths % 100
    return "\(hundredths / 100).\(fraction < 10 ? "0" : "")\(fraction)"
  }
}
