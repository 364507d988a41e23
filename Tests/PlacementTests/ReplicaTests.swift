import Experts
import Placement
import Tensors
import Testing

/// Several holders for each group, and plans after somebody came or went.
@Suite struct ReplicaTests {
  private let geometry: ExpertGeometry

  init() throws {
    let shape = try ExpertShape(
      hiddenSize: 2048, expertIntermediateSize: 1408, expertCount: 64, expertsPerToken: 6,
      moeLayers: 1..<27, modelGroupCount: 1)
    geometry = try ExpertGeometry(
      shape: shape,
      layerFormats: shape.moeLayers.map { _ in
        ExpertFormats(gate: .q4K, up: .q4K, down: .q8_0)
      })
  }

  /// Workers of equal speed, each with room for `share` of all experts.
  private func workers(_ ids: some Sequence<UInt32>, share: Double = 2) -> [WorkerCapacity] {
    ids.map {
      WorkerCapacity(
        worker: WorkerID($0), memoryByteCount: Int(Double(geometry.byteCount) * share),
        bytesPerSecond: 40e9)
    }
  }

  private func preferredCount(_ worker: UInt32, _ plan: PlacementPlan) -> Int {
    plan.units.count { plan[$0.layer, $0.group].first == WorkerID(worker) }
  }

  private func check(_ plan: PlacementPlan, _ workers: [WorkerCapacity], replicas: Int) {
    for unit in plan.units {
      let holders = plan[unit.layer, unit.group]
      #expect(holders.count == replicas && Set(holders).count == replicas)
    }
    for worker in workers {
      #expect(plan.byteCount(of: worker.worker, geometry) <= worker.memoryByteCount)
    }
  }

  @Test(arguments: [2, 3, 4, 8], [1, 2, 3])
  func `copies lie on distinct workers and leave the work spread`(count: UInt32, replicas: Int)
    throws
  {
    guard count >= replicas else { return }
    let workers = workers(0..<count)
    let one = try PlacementPlan.balanced(geometry, over: workers, epoch: 1)
    let plan = try PlacementPlan.balanced(geometry, over: workers, epoch: 1, replicas: replicas)
    check(plan, workers, replicas: replicas)
    for unit in plan.units {
      #expect(plan[unit.layer, unit.group].first == one[unit.layer, unit.group].first)
    }
  }

  @Test func `what one worker leaves is shared by several`() throws {
    let workers = workers(0..<4)
    let plan = try PlacementPlan.balanced(geometry, over: workers, epoch: 1, replicas: 2)
    let heirs = plan.units.filter { plan[$0.layer, $0.group].first == WorkerID(0) }
      .map { plan[$0.layer, $0.group][1] }
    #expect(Set(heirs).count == 2)
  }

  @Test func `copies that do not fit are said with the numbers`() throws {
    let few = #expect(throws: PlacementError.self) {
      try PlacementPlan.balanced(geometry, over: workers(0..<2), epoch: 1, replicas: 3)
    }
    #expect(few?.description.hasPrefix("3 copies of the routed experts need 3 times ") == true)
    let small = #expect(throws: PlacementError.self) {
      try PlacementPlan.balanced(geometry, over: workers(0..<2, share: 0.8), epoch: 1, replicas: 2)
    }
    #expect(small?.description.hasSuffix("or lower --replicas") == true)
  }

  @Test(arguments: [1, 2])
  func `a repair moves nothing that is still held`(replicas: Int) throws {
    let all = workers(0..<4)
    let plan = try PlacementPlan.balanced(geometry, over: all, epoch: 1, replicas: replicas)
    let rest = Array(all.dropFirst())
    let repaired = plan.repaired(geometry, over: rest, epoch: 2, replicas: replicas)
    check(repaired, rest, replicas: replicas)
    #expect(repaired.epoch == 2)
    for unit in plan.units {
      let kept = plan[unit.layer, unit.group].filter { $0 != WorkerID(0) }
      #expect(Array(repaired[unit.layer, unit.group].prefix(kept.count)) == kept)
    }
    for worker in 1..<4 as Range<UInt32> { #expect(preferredCount(worker, repaired) >= 2 * 26) }
  }

  @Test func `without room some groups stay without a holder`() throws {
    let all = workers(0..<2, share: 0.6)
    let plan = try PlacementPlan.balanced(geometry, over: all, epoch: 1)
    let repaired = plan.repaired(geometry, over: [all[1]], epoch: 2, replicas: 1)
    #expect(!repaired.isComplete)
    #expect(repaired.byteCount(of: WorkerID(1), geometry) <= all[1].memoryByteCount)
    let none = plan.repaired(geometry, over: [], epoch: 3, replicas: 1)
    #expect(none.units.allSatisfy { none[$0.layer, $0.group].isEmpty })
  }

  @Test func `copies that nobody needs are forgotten where memory is short`() throws {
    // Each has room for half: two hold everything, the third has a copy of what one of them holds.
    let all = workers(0..<3, share: 0.51)
    var plan = try PlacementPlan.balanced(geometry, over: Array(all.prefix(2)), epoch: 1)
    for unit in plan.units where plan[unit.layer, unit.group] == [WorkerID(1)] {
      plan[unit.layer, unit.group].append(WorkerID(2))
    }
    let rest = Array(all.dropFirst())
    let repaired = plan.repaired(geometry, over: rest, epoch: 2, replicas: 1)
    #expect(repaired.isComplete)
    for worker in rest {
      #expect(repaired.byteCount(of: worker.worker, geometry) <= worker.memoryByteCount)
    }
    // While the first holder has not loaded it, the copy is all there is.
    let none = plan.repaired(
      geometry, over: rest, epoch: 2, replicas: 1,
      loaded: [WorkerID(2): Set(plan.units(of: WorkerID(2)))])
    #expect(
      none.units.allSatisfy {
        plan[$0.layer, $0.group] != [WorkerID(1), WorkerID(2)]
          || none[$0.layer, $0.group] == [WorkerID(1), WorkerID(2)]
      })
  }

  @Test func `a newcomer takes its part of the work and nobody forgets anything`() throws {
    let plan = try PlacementPlan.balanced(geometry, over: workers(0..<3), epoch: 1)
    let relieved = plan.relieved(
      by: WorkerID(3), geometry, over: workers(0..<4), epoch: 2)
    #expect(preferredCount(3, relieved) == 2 * 26)
    for unit in plan.units {
      #expect(relieved[unit.layer, unit.group].contains(plan[unit.layer, unit.group][0]))
    }
    let crowded = plan.relieved(
      by: WorkerID(3), geometry, over: workers(0..<3) + workers([3], share: 0.13), epoch: 2)
    #expect(preferredCount(3, crowded) == 26)
    let alone = try PlacementPlan.balanced(geometry, over: workers([0]), epoch: 1)
    let shared = alone.relieved(by: WorkerID(1), geometry, over: workers(0..<2), epoch: 2)
    #expect(preferredCount(1, shared) == 4 * 26 - 26 || preferredCount(1, shared) == 4 * 26)
  }
}
