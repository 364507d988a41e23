import Experts
import Kernels
import Placement
import Tensors
import Testing

@Suite struct RebalancedPlanTests {
  private func workers(_ memory: [Int]) -> [WorkerCapacity] {
    memory.enumerated().map {
      WorkerCapacity(
        worker: WorkerID(UInt32($0.offset)), memoryByteCount: $0.element, bytesPerSecond: 1e9)
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

  @Test func `of several holders the one is asked that makes a call fastest`() {
    var choice = ReplicaChoice(groupCount: 4)
    let holders = [[0], [0, 1], [1], [], [0], [0, 1], [0, 1], [0]]
    // The only holder of group 0 has its share, so the other one takes group 1.
    let both = choice.choose(
      uses: [2, 1, 0, 1], holders: holders, from: 0, secondsPerUse: [1, 1], messageSeconds: 0.1)
    #expect(choice.chosen == [0, 1, -1, -1])
    #expect(abs(both - 2.2) < 1e-9)
    // Where a message is dear, nobody else is asked.
    let one = choice.choose(
      uses: [2, 1, 0, 1], holders: holders, from: 0, secondsPerUse: [1, 1], messageSeconds: 5)
    #expect(choice.chosen == [0, 0, -1, -1])
    #expect(abs(one - 8) < 1e-9)
    // Another layer, and a worker that is four times as fast.
    _ = choice.choose(
      uses: [0, 1, 2, 0], holders: holders, from: 4, secondsPerUse: [4, 1], messageSeconds: 0.1)
    #expect(choice.chosen == [-1, 1, 1, -1])
  }

  @Test func `copies of what is used most make recorded tokens faster, within memory`() throws {
    let geometry = try smallGeometry()
    let unit = geometry.byteCount(LayerIndex(1), GroupIndex(0))
    let workers = workers([9 * unit, 9 * unit])
    let plan = try PlacementPlan.balanced(geometry, over: workers, epoch: 1)
    let mates = plan.units.filter {
      $0.layer == LayerIndex(1) && plan[$0.layer, $0.group] == [WorkerID(0)]
    }
    .map(\.group.rawValue)
    let trace = try trace(Array(repeating: (mates[0], mates[1]), count: 8))
    let copied = plan.copyingPopular(geometry, over: workers, for: trace, replicas: 1, limit: 16)
    let added = plan.units.filter { copied[$0.layer, $0.group].count == 2 }
    // Each worker has room for one group, and only worker 1 lacks those that are used.
    #expect(
      added.count == 1 && copied[added[0].layer, added[0].group] == [WorkerID(0), WorkerID(1)])
    for worker in workers {
      #expect(copied.byteCount(of: worker.worker, geometry) <= worker.memoryByteCount)
    }
    #expect(
      copied.expectedSeconds(geometry, over: workers, for: trace, messageSeconds: 0)
        < plan.expectedSeconds(geometry, over: workers, for: trace, messageSeconds: 0))
    let none = plan.copyingPopular(geometry, over: workers, for: trace, replicas: 1, limit: 0)
    #expect(none == plan)
    // What is used no more goes for what is used now; what stays needs no loading.
    let others = plan.units.filter {
      $0.layer == LayerIndex(1) && plan[$0.layer, $0.group] == [WorkerID(0)]
    }
    .map(\.group.rawValue).suffix(2)
    let later = try self.trace(Array(repeating: (others[2], others[3]), count: 8))
    let moved = copied.copyingPopular(geometry, over: workers, for: later, replicas: 1, limit: 16)
    #expect(moved[added[0].layer, added[0].group] == [WorkerID(0)])
    #expect(
      copied.copyingPopular(geometry, over: workers, for: trace, replicas: 1, limit: 0) == copied)
  }

  @Test(arguments: [0, 1, 3, 16])
  func `on the way to another plan nothing is without a holder, and memory suffices`(
    limit: Int
  ) throws {
    let geometry = try smallGeometry()
    let unit = geometry.byteCount(LayerIndex(1), GroupIndex(0))
    let workers = workers([10 * unit, 12 * unit])
    let plan = try PlacementPlan.balanced(geometry, over: workers, epoch: 1)
    var target = plan
    for unit in plan.units where plan[unit.layer, unit.group] == [WorkerID(0)] {
      target[unit.layer, unit.group] = [WorkerID(1)]
    }
    let (loading, final) = plan.transition(
      to: target, geometry, over: workers, epoch: 2, limit: limit)
    var moved = 0
    for unit in plan.units {
      let former = plan[unit.layer, unit.group]
      #expect(loading[unit.layer, unit.group].first == former.first)
      #expect(Set(loading[unit.layer, unit.group]).isSuperset(of: final[unit.layer, unit.group]))
      if final[unit.layer, unit.group] != former {
        moved += 1
        #expect(final[unit.layer, unit.group] == target[unit.layer, unit.group])
      }
    }
    #expect(moved == min(limit, 4) && loading.epoch == 2)
    for worker in workers {
      #expect(loading.byteCount(of: worker.worker, geometry) <= worker.memoryByteCount)
    }
  }

  @Test func `a sampler keeps the last tokens of every layer`() throws {
    let geometry = try smallGeometry()
    var sampler = RoutingSampler(geometry)
    var batch = RoutedBatch(geometry: geometry, capacity: 2)
    for step in 0..<300 {
      for layer in geometry.layers {
        batch.encodeZeros(layer)
        for row in 0..<2 {
          let experts: [Int32] = [Int32(step % 8), Int32(8 + step % 8)]
          batch.setExperts(row: row, experts: experts.span, weights: [Float(1), 1].span)
        }
        sampler.take(batch)
      }
      if step == 40 { #expect(sampler.trace == nil) }
    }
    let trace = try #require(sampler.trace)
    #expect(trace.rowCount == RoutingSampler.capacity && trace.fits(geometry))
    #expect(trace.uses.allSatisfy { $0.allSatisfy { $0 == RoutingSampler.capacity / 8 } })
  }
}

extension RoutedBatch {
  fileprivate mutating func encodeZeros(_ layer: LayerIndex) {
    let rows = FloatMatrix(rows: capacity, columns: geometry.hiddenSize)
    encode(rows, rows: 0..<capacity, layer: layer, with: Kernels(team: ThreadTeam(threads: 1)))
  }
}
