import Coordinator
import Experts
import Foundation
import LinkEmulation
import Messages
import ModelFiles
import Placement
import Testing

/// Workers that join, load, fail, return and leave at random, on a clock of the test's own.
@Suite struct MembershipSimulationTests {
  @Test(arguments: 0..<200)
  func `nothing is lost that there is room for`(seed: UInt64) throws { try simulate(seed) }

  /// `Tests/Nightly/simulate` asks for these, to replay one or to try many.
  @Test func `the seeds that were asked for`() throws {
    let environment = ProcessInfo.processInfo.environment
    guard let count = environment["CONCLAVE_SEEDS"].flatMap({ UInt64($0) }) else { return }
    let first = environment["CONCLAVE_FIRST_SEED"].flatMap { UInt64($0) } ?? 0
    for seed in first..<first + count { try simulate(seed) }
  }

  private func simulate(_ seed: UInt64) throws {
    var run = try ClusterRun(seed: seed)
    for _ in 0..<60 {
      run.disturb()
      run.settle(partly: true)
      try run.checkAlways()
    }
    run.settle(partly: false)
    try run.checkAlways()
    try run.checkSettled()
  }
}

/// A cluster under change: the real membership, and workers of a few lines.
private struct ClusterRun {
  /// What a worker really holds, and what it is still loading.
  private struct Worker {
    let name: String
    let memory: Int
    var loaded: Set<PlacementUnit> = []
    var wanted: Set<PlacementUnit>?
    var epoch = Epoch(rawValue: 0)
  }

  private let seed: UInt64
  private let geometry: ExpertGeometry
  private let replicas: Int
  private let memory: Int
  private var random: SeededGenerator
  private var membership: Membership
  private var workers: [Incarnation: Worker] = [:]
  private var order: [Incarnation] = []  // of joining, so that a seed repeats
  private var time = Duration.zero
  private var joined = 0

  init(seed: UInt64) throws {
    self.seed = seed
    random = SeededGenerator(state: seed)
    let model = try TestModel(TestModel.floats)
    geometry = model.geometry
    let count = Int.random(in: 2...5, using: &random)
    replicas = Int.random(in: 1...min(2, count), using: &random)
    let share = Double(replicas) / Double(count) * Double.random(in: 1.3...3, using: &random)
    memory = Int(Double(geometry.byteCount) * share)
    membership = Membership(
      Membership.Rules(
        expectedWorkers: count, model: model.archive.digest, numericsProfile: "p",
        geometry: geometry, dataPort: 1, progressInterval: .milliseconds(500),
        silenceLimit: .seconds(1_000_000), replicas: replicas))
    for _ in 0..<count { join() }
    settle(partly: false)
  }

  private mutating func join(as name: String? = nil) {
    joined += 1
    guard let incarnation = Incarnation(rawValue: UInt64(joined)) else { return }
    let worker = Worker(name: name ?? "worker \(joined)", memory: memory)
    workers[incarnation] = worker
    order.append(incarnation)
    let hello = Hello(
      name: worker.name, memoryBudget: memory, cores: 1, instructionSet: "scalar",
      memoryBandwidth: 0, numericsProfile: "p", modelDigest: nil, software: "test")
    perform(membership.handle(.hello(hello), from: incarnation, at: time))
  }

  private mutating func perform(_ actions: [Membership.Action]) {
    for case .send(let body, let incarnation) in actions {
      switch body {
      case .assignment(let assignment):
        let units = Set(assignment.units)
        workers[incarnation]?.wanted = units
        workers[incarnation]?.loaded.formIntersection(units)
        workers[incarnation]?.epoch = membership.epoch
      case .drain, .refusal: leave(incarnation)
      default: break
      }
    }
  }

  private mutating func leave(_ incarnation: Incarnation) {
    workers[incarnation] = nil
    order.removeAll { $0 == incarnation }
  }

  private func id(_ incarnation: Incarnation) -> WorkerID? { membership.member(incarnation)?.id }

  /// Something happens to somebody.
  mutating func disturb() {
    time += .seconds(Int.random(in: 1...40, using: &random))
    let victim = order.randomElement(using: &random)
    switch Int.random(in: 0..<6, using: &random) {
    case 0, 1:
      guard let victim, let id = id(victim) else { return }
      let name = workers[victim]?.name
      leave(victim)
      perform(membership.lose(id, reason: "killed", suspendedFor: nil, at: time))
      if Bool.random(using: &random) { join(as: name) }
    case 2:
      guard let victim, let id = id(victim), order.count > 1 else { return }
      perform(membership.drain(id))
    default:
      if order.count < 6 { join() }
    }
  }

  /// Workers load: all that they shall, or some of them.
  mutating func settle(partly: Bool) {
    for _ in 0..<100 {
      let loading = order.filter { workers[$0]?.wanted != nil }
      guard !loading.isEmpty else { return }
      for incarnation in loading where !partly || Bool.random(using: &random) {
        guard let units = workers[incarnation]?.wanted, let epoch = workers[incarnation]?.epoch
        else { continue }
        workers[incarnation]?.loaded = units
        workers[incarnation]?.wanted = nil
        let ready = Ready(residentBytes: 1, loadedGroups: units.count)
        perform(membership.handle(.ready(ready), from: incarnation, of: epoch, at: time))
      }
      if partly { return }
    }
    Issue.record("seed \(seed): the placement never settles")
  }

  /// Who is asked has what it is asked for, and nobody holds more than it has room for.
  func checkAlways() throws {
    guard membership.phase == .serving else { return }
    let units = membership.plan?.units ?? []
    for (unit, holders) in zip(units, membership.roster.holders) {
      for holder in holders {
        let member = try #require(membership.members.first { $0.id == holder })
        #expect(
          workers[member.incarnation]?.loaded.contains(unit) == true, "seed \(seed): \(holder)")
      }
      #expect(Set(holders).count == holders.count, "seed \(seed)")
    }
    for member in membership.members where member.lostReason == nil {
      let bytes = member.units.reduce(0) { $0 + geometry.byteCount($1.layer, $1.group) }
      #expect(bytes <= memory, "seed \(seed): \(member.label)")
    }
  }

  /// When all have loaded, every group that there is room for has a holder, and copies as there is room.
  func checkSettled() throws {
    guard membership.phase == .serving else { return }
    let staying = membership.members.filter { $0.lostReason == nil && !$0.isDraining }
    let units = membership.plan?.units ?? []
    let largest = units.map { geometry.byteCount($0.layer, $0.group) }.max() ?? 1
    let room = staying.reduce(0) { sum, _ in sum + memory / largest }
    let holders = membership.roster.holders
    if room >= units.count {
      #expect(holders.allSatisfy { !$0.isEmpty }, "seed \(seed): \(staying.count) workers")
    }
    // With room for everything on each, nothing stands in the way of all copies.
    if memory / largest >= units.count {
      let wanted = min(replicas, staying.count)
      #expect(holders.allSatisfy { $0.count >= wanted }, "seed \(seed)")
    }
  }
}
