import Coordinator
import Experts
import Foundation
import Messages
import ModelFiles
import Placement
import Testing

/// Groups that change places while the cluster serves.
@Suite(.serialized) struct RetuningTests {
  private let model: TestModel
  private var membership: Membership
  private let incarnations = [Incarnation.random(), Incarnation.random()]

  init() throws {
    model = try TestModel(TestModel.floats)
    membership = Membership(
      Membership.Rules(
        expectedWorkers: 2, model: model.archive.digest, numericsProfile: "p",
        geometry: model.geometry, dataPort: 1, progressInterval: .milliseconds(500),
        silenceLimit: .seconds(100)))
    // Room for half of all groups and two more.
    let unit = model.geometry.byteCount(model.geometry.layers[0], GroupIndex(0))
    let memory = model.geometry.byteCount / 2 + 2 * unit
    for (index, incarnation) in incarnations.enumerated() {
      let hello = Hello(
        name: "\(index)", memoryBudget: memory, cores: 1, instructionSet: "scalar",
        memoryBandwidth: 1_000_000, numericsProfile: "p", modelDigest: nil, software: "test")
      _ = membership.handle(.hello(hello), from: incarnation, at: .zero)
    }
    for index in 0..<2 { _ = load(index, at: .zero) }
  }

  private mutating func load(_ index: Int, at time: Duration) -> [Membership.Action] {
    let ready = Ready(residentBytes: 1, loadedGroups: membership.members[index].units.count)
    return membership.handle(.ready(ready), from: incarnations[index], at: time)
  }

  /// Tokens that use only experts of groups that worker 0 holds.
  private func skewed() throws -> RoutingTrace {
    let geometry = model.geometry
    let plan = try #require(membership.plan)
    var trace = try RoutingTrace(
      firstLayer: geometry.moeLayers.lowerBound, layerCount: geometry.moeLayers.count,
      expertCount: geometry.expertCount, expertsPerToken: geometry.expertsPerToken)
    for row in 0..<40 {
      let chosen = geometry.layers.flatMap { layer in
        let own = geometry.groups.filter { plan[layer, $0].first == WorkerID(0) }
          .flatMap { Array(geometry.experts(in: $0)) }
        return (0..<geometry.expertsPerToken).map { UInt16(own[(row + $0) % own.count]) }
      }
      try trace.append(chosen)
    }
    return trace
  }

  /// Whether every group has somebody who has loaded it and still holds it.
  private func expectWhole() {
    let roster = membership.roster
    #expect(!roster.holders.isEmpty && roster.holders.allSatisfy { !$0.isEmpty })
  }

  private func assignments(_ actions: [Membership.Action]) -> [(Set<PlacementUnit>, Incarnation)] {
    actions.compactMap { action in
      guard case .send(.assignment(let assignment), let to) = action else { return nil }
      return (Set(assignment.units), to)
    }
  }

  @Test mutating func `new holders load, are asked, and only then former ones let go`() throws {
    let before = membership.roster
    let held = Set(membership.members[0].units)
    let actions = assignments(membership.retune(for: try skewed(), at: .seconds(1)))
    // Only the newcomer is told anything; the former holder keeps what it has.
    #expect(actions.map(\.1) == [incarnations[1]])
    #expect(Set(membership.members[0].units) == held)
    #expect(membership.roster.holders == before.holders)
    expectWhole()
    #expect(membership.retune(for: try skewed(), at: .seconds(2)).isEmpty)
    let version = membership.rosterVersion
    _ = load(1, at: .seconds(3))
    #expect(membership.rosterVersion > version && membership.roster.holders != before.holders)
    expectWhole()
    #expect(membership.tick(at: .seconds(4)).isEmpty)
    _ = membership.tick(at: .seconds(9))
    #expect(membership.retuning == nil)
    expectWhole()
    for member in membership.members {
      let size = member.units.reduce(0) { $0 + model.geometry.byteCount($1.layer, $1.group) }
      #expect(size <= member.hello.memoryBudget)
    }
    let seconds = try #require(membership.plan).units.count
    #expect(seconds == before.holders.count)
  }

  @Test mutating func `a loss on the way leaves everything with somebody`() throws {
    _ = membership.retune(for: try skewed(), at: .seconds(1))
    _ = load(1, at: .seconds(2))
    _ = membership.lose(
      WorkerID(0), reason: "gone", suspendedFor: nil, at: .seconds(3))
    #expect(membership.retuning == nil)
    _ = membership.tick(at: .seconds(20))
    #expect(membership.plan?.units(of: WorkerID(0)).isEmpty == true)
  }

  @Test mutating func `nothing is moved for a gain that is none`() throws {
    var trace = try RoutingTrace(
      firstLayer: model.geometry.moeLayers.lowerBound + 1, layerCount: 1, expertCount: 4,
      expertsPerToken: 1)
    try trace.append([1])
    #expect(membership.retune(for: trace, at: .seconds(1)).isEmpty)  // of another model
  }

  @Test func `a cluster moves groups while it answers, with the same bits`() throws {
    let log = LogLines()
    let unit = model.geometry.byteCount(model.geometry.layers[0], GroupIndex(0))
    let memory = model.geometry.byteCount / 2 + 2 * unit
    let coordinator = try makeCoordinator(model.served, workers: 2, log: log) {
      $0.rebalanceInterval = .milliseconds(100)
    }
    let workers = (0..<2).map { _ in
      ThreadWorker(join: coordinator.endpoint, model: model.archive, memory: memory)
    }
    defer {
      coordinator.shutdown()
      for worker in workers { worker.stop() }
    }
    try coordinator.gather()
    let remote = try #require(coordinator.experts)
    let local = try LocalExperts(loading: model.catalog, kernels: testKernels)
    let first = coordinator.holders(of: model.geometry.layers[0])
    let limit = ContinuousClock.now + .seconds(60)
    var count: UInt64 = 0
    while !log.contain("the new holders are asked"), ContinuousClock.now < limit {
      count += 1
      for layer in model.geometry.layers {
        // Few different rows, so that some experts are used much more than others.
        let expected = try answer(local, layer, rows: 1, seed: count % 2)
        #expect(try answer(remote, layer, rows: 1, seed: count % 2) == expected)
      }
    }
    #expect(log.contain("Rebalancing: "))
    for layer in model.geometry.layers {
      for seed in UInt64(0)..<20 {
        #expect(
          try answer(remote, layer, rows: 3, seed: seed)
            == answer(local, layer, rows: 3, seed: seed))
      }
    }
    let moved = model.geometry.layers.contains { layer in
      coordinator.holders(of: layer) != first
    }
    #expect(moved)
  }
}
