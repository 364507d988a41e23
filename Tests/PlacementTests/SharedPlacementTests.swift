import Experts
import Placement
import Tensors
import Testing

/// Where shared experts go when workers hold them.
@Suite struct SharedPlacementTests {
  /// DeepSeek-V2-Lite's experts with the shared ones, as wide as two.
  private func geometry(layers: Int = 26) throws -> ExpertGeometry {
    let formats = ExpertFormats(gate: .q4K, up: .q4K, down: .q8_0)
    return try ExpertGeometry(
      shape: ExpertShape(
        hiddenSize: 2048, expertIntermediateSize: 1408, expertCount: 64, expertsPerToken: 6,
        moeLayers: 1..<1 + layers, modelGroupCount: 1),
      layerFormats: Array(repeating: formats, count: layers),
      shared: SharedExperts(
        intermediateSize: 2816, layerFormats: Array(repeating: formats, count: layers)))
  }

  private func workers(_ speeds: [Double], gibibytes: Double = 20) -> [WorkerCapacity] {
    speeds.enumerated().map { index, speed in
      WorkerCapacity(
        worker: WorkerID(UInt32(index)), memoryByteCount: Int(gibibytes * Double(1 << 30)),
        bytesPerSecond: speed)
    }
  }

  @Test func `equal workers take shared experts of as many layers`() throws {
    let geometry = try geometry()
    let group = try #require(geometry.sharedGroup)
    let all = workers([40e9, 40e9])
    let plan = try PlacementPlan.balanced(geometry, over: all, epoch: 1)
    #expect(plan.isComplete && plan.groupCount == 9)
    for worker in all {
      #expect(plan.units(of: worker.worker).count { $0.group == group } == 13)
    }
    let routed = try ExpertGeometry(
      shape: geometry.shape, layerFormats: geometry.layerFormats)
    let before = try PlacementPlan.balanced(routed, over: all, epoch: 1)
    for unit in before.units {
      #expect(plan[unit.layer, unit.group] == before[unit.layer, unit.group])
    }
  }

  @Test func `shared experts go to whom a row's routed experts keep least busy`() throws {
    let geometry = try geometry()
    let group = try #require(geometry.sharedGroup)
    // 8 groups over 3 workers: one has two of them, the others three.
    let plan = try PlacementPlan.balanced(geometry, over: workers([40e9, 40e9, 40e9]), epoch: 1)
    for layer in geometry.layers {
      let holder = try #require(plan[layer, group].first)
      #expect(geometry.groups.dropLast().count { plan[layer, $0].first == holder } == 2)
    }
  }

  @Test func `with replicas shared experts have as many holders, also after a loss`() throws {
    let geometry = try geometry()
    let all = workers([40e9, 40e9, 40e9])
    let plan = try PlacementPlan.balanced(geometry, over: all, epoch: 1, replicas: 2)
    for unit in plan.units { #expect(Set(plan[unit.layer, unit.group]).count == 2) }
    let left = Array(all.dropFirst())
    let repaired = plan.repaired(geometry, over: left, epoch: 2, replicas: 2)
    for unit in repaired.units { #expect(Set(repaired[unit.layer, unit.group]).count == 2) }
  }

  @Test func `no room for shared experts is said with the numbers`() throws {
    let geometry = try geometry()
    let room = Double(geometry.routedByteCount + geometry.sharedByteCount / 2) / Double(1 << 30)
    #expect(throws: PlacementError.self) {
      try PlacementPlan.balanced(geometry, over: workers([40e9], gibibytes: room), epoch: 1)
    }
    #expect(geometry.byteCount == geometry.routedByteCount + geometry.sharedByteCount)
  }

  @Test func `a tuned placement keeps every group, and shared experts count in it`() throws {
    let geometry = try geometry(layers: 2)
    var trace = try RoutingTrace(
      firstLayer: 1, layerCount: 2, expertCount: 64, expertsPerToken: 6)
    for row in 0..<64 {
      // Experts of the first four groups only.
      try trace.append((0..<2).flatMap { _ in (0..<6).map { UInt16(($0 * 5 + row) % 32) } })
    }
    let all = workers([40e9, 40e9])
    let plan = try PlacementPlan.balanced(geometry, over: all, epoch: 1)
    let tuned = plan.tuned(geometry, over: all, for: trace)
    #expect(tuned.isComplete)
    let before = plan.expectedSeconds(geometry, over: all, for: trace)
    let after = tuned.expectedSeconds(geometry, over: all, for: trace)
    #expect(after <= before)
    let routed = try ExpertGeometry(shape: geometry.shape, layerFormats: geometry.layerFormats)
    let alone = try PlacementPlan.balanced(routed, over: all, epoch: 1)
    #expect(before > alone.expectedSeconds(routed, over: all, for: trace))
  }

  @Test func `shared experts move when the coordinator is slow and the workers are near`() throws {
    let geometry = try geometry()
    func choice(_ coordinator: Double, roundTrip: Double, workers count: Int) -> SharedExpertsChoice
    {
      SharedExpertsChoice(
        geometry, over: workers(Array(repeating: 40e9, count: count)), replicas: 1,
        coordinatorBytesPerSecond: coordinator, roundTripSeconds: roundTrip)
    }
    // A coordinator at a fifth of the workers' speed waits for its own shared experts.
    #expect(choice(8e9, roundTrip: 50e-6, workers: 4).movesToWorkers)
    // One as fast is done before the routed experts are back.
    #expect(!choice(40e9, roundTrip: 50e-6, workers: 4).movesToWorkers)
    // A long way hides everything.
    #expect(!choice(8e9, roundTrip: 2e-3, workers: 4).movesToWorkers)
    let full = SharedExpertsChoice(
      geometry, over: workers([40e9], gibibytes: 1), replicas: 1, coordinatorBytesPerSecond: 1e9,
      roundTripSeconds: 0)
    #expect(full.workerSeconds == nil && !full.movesToWorkers)
  }

  @Test func `formats that would need other activations are refused with the reason`() throws {
    let shape = try geometry(layers: 1).shape
    let error = #expect(throws: ExpertError.self) {
      _ = try ExpertGeometry(
        shape: shape, layerFormats: [ExpertFormats(gate: .q4K, up: .q4K, down: .q8_0)],
        shared: SharedExperts(
          intermediateSize: 2816, layerFormats: [ExpertFormats(gate: .f16, up: .q4K, down: .q4K)]))
    }
    #expect(
      error?.description
        == "layer 1: the gate projection of the shared experts, F16, takes other activations than the "
        + "routed experts, so workers would need both; leave shared experts on the coordinator")
  }
}
