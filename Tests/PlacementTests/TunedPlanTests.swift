import Experts
import Placement
import Tensors
import Testing

@Suite struct TunedPlanTests {
  private func workers(_ count: UInt32, memory: Int, speed: Double = 1e9) -> [WorkerCapacity] {
    (0..<count).map {
      WorkerCapacity(worker: WorkerID($0), memoryByteCount: memory, bytesPerSecond: speed)
    }
  }

  /// Tokens that use the experts of two groups each.
  private func trace(_ pairs: [(Int, Int)]) throws -> RoutingTrace {
    var trace = try RoutingTrace(
      firstLayer: 1, layerCount: 2, expertCount: 16, expertsPerToken: 2)
    for (first, second) in pairs {
      let experts = [UInt16(2 * first), UInt16(2 * second + 1)]
      try trace.append(experts + experts)
    }
    return trace
  }

  private func holder(_ plan: PlacementPlan, _ group: Int) -> WorkerID? {
    plan[LayerIndex(1), GroupIndex(group)].first
  }

  @Test func `groups that are used together are spread`() throws {
    let geometry = try smallGeometry()
    let workers = workers(2, memory: geometry.byteCount)
    let plan = try PlacementPlan.balanced(geometry, over: workers, epoch: 4)
    // Reading counts, messages do not: every pair shall be read by two workers.
    let trace = try trace([(0, 1), (2, 3), (4, 5), (6, 7), (0, 1), (2, 3)])
    let tuned = plan.tuned(geometry, over: workers, for: trace, messageSeconds: 0)
    for pair in 0..<4 { #expect(holder(tuned, 2 * pair) != holder(tuned, 2 * pair + 1)) }
    #expect(tuned.isComplete && tuned.epoch == 4)
  }

  @Test func `where messages are dear, groups that are used together come together`() throws {
    let geometry = try smallGeometry()
    let workers = workers(2, memory: geometry.byteCount)
    let plan = try PlacementPlan.balanced(geometry, over: workers, epoch: 1)
    let trace = try trace([(0, 4), (1, 5), (2, 6), (3, 7)])
    let tuned = plan.tuned(geometry, over: workers, for: trace, messageSeconds: 1)
    for group in 0..<4 { #expect(holder(tuned, group) == holder(tuned, group + 4)) }
  }

  @Test func `memory is never exceeded`() throws {
    let geometry = try smallGeometry()
    for slack in [0, 1, 2, 3] {
      let unit = geometry.byteCount(LayerIndex(1), GroupIndex(0))
      let workers = workers(4, memory: (4 + slack) * unit)
      let plan = try PlacementPlan.balanced(geometry, over: workers, epoch: 1)
      let trace = try trace((0..<40).map { ($0 % 3, 3 + $0 % 5) })
      let tuned = plan.tuned(geometry, over: workers, for: trace)
      #expect(tuned.isComplete)
      #expect(tuned == plan.tuned(geometry, over: workers.reversed(), for: trace))
      for worker in workers {
        #expect(tuned.byteCount(of: worker.worker, geometry) <= worker.memoryByteCount)
      }
      #expect(tuned.units.allSatisfy { tuned[$0.layer, $0.group].count == 1 })
    }
  }

  @Test func `replicas stay where they are, and another one is asked`() throws {
    let geometry = try smallGeometry()
    let workers = workers(2, memory: 2 * geometry.byteCount)
    var plan = try PlacementPlan.balanced(geometry, over: workers, epoch: 1)
    for unit in plan.units { plan[unit.layer, unit.group] = [WorkerID(0), WorkerID(1)] }
    let trace = try trace([(0, 1), (2, 3), (4, 5), (6, 7)])
    let tuned = plan.tuned(geometry, over: workers, for: trace, messageSeconds: 0)
    for pair in 0..<4 { #expect(holder(tuned, 2 * pair) != holder(tuned, 2 * pair + 1)) }
    #expect(tuned.units.allSatisfy { Set(tuned[$0.layer, $0.group]).count == 2 })
  }

  @Test func `a recording of another model changes nothing`() throws {
    let geometry = try smallGeometry()
    let workers = workers(2, memory: geometry.byteCount)
    let plan = try PlacementPlan.balanced(geometry, over: workers, epoch: 1)
    let other = try RoutingTrace(
      firstLayer: 0, layerCount: 2, expertCount: 16, expertsPerToken: 2)
    #expect(plan.tuned(geometry, over: workers, for: other) == plan)
  }
}

/// Two layers of 16 experts in 8 groups, of which a token uses two.
func smallGeometry() throws -> ExpertGeometry {
  let shape = try ExpertShape(
    hiddenSize: 256, expertIntermediateSize: 256, expertCount: 16, expertsPerToken: 2,
    moeLayers: 1..<3, modelGroupCount: 8)
  let formats = ExpertFormats(gate: .q4K, up: .q4K, down: .q4K)
  return try ExpertGeometry(shape: shape, layerFormats: [formats, formats])
}
