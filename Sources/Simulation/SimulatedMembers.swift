internal import Coordinator
internal import Experts
internal import Messages
internal import ModelFiles
internal import Placement
internal import Planning

/// The members of a simulated cluster: the coordinator's own membership, and workers of a few lines
/// that load what they are assigned.
struct SimulatedMembers {
  /// Groups that a worker is loading.
  private struct Load {
    let worker: Int
    let units: Set<PlacementUnit>
    let epoch: Epoch
    let end: Double
  }

  private(set) var membership: Membership
  private let geometry: ExpertGeometry
  private let bytesPerSecond: Double
  private var held: [Set<PlacementUnit>]
  private var loads: [Load] = []
  private var incarnations: [Incarnation] = []

  /// Lets all workers of a cluster join, with everything loaded.
  init(
    _ geometry: ExpertGeometry, _ cluster: ClusterDescription, _ planner: Planner,
    loadBytesPerSecond: Double
  ) {
    self.geometry = geometry
    bytesPerSecond = loadBytesPerSecond
    held = cluster.workers.map { _ in [] }
    var rules = Membership.Rules(
      expectedWorkers: cluster.workers.count, model: ModelDigest(sha256: RawSpan()),
      numericsProfile: "simulated", geometry: geometry, dataPort: 1,
      progressInterval: .milliseconds(500), silenceLimit: .seconds(10),
      replicas: planner.request.replicaCount)
    rules.routingTrace = planner.trace
    membership = Membership(rules)
    for (index, worker) in cluster.workers.enumerated() {
      guard let incarnation = Incarnation(rawValue: UInt64(index) + 1) else { continue }
      incarnations.append(incarnation)
      let hello = Hello(
        name: "\(index)", memoryBudget: worker.memoryByteCount, cores: worker.coreCount,
        instructionSet: "", memoryBandwidth: Int(worker.bytesPerSecond),
        numericsProfile: "simulated", modelDigest: nil, software: "simulated")
      perform(membership.handle(.hello(hello), from: incarnation, at: .zero), at: 0, takes: false)
    }
    advance(to: 0)
  }

  /// Who answers for what: by group of each layer the indices of workers.
  var holders: [[Int]] {
    membership.roster.holders.map { $0.map { Int($0.rawValue) } }
  }

  /// Grows whenever `holders` changes.
  var version: UInt64 { membership.rosterVersion }

  /// Whether a worker belongs to the cluster.
  func isHere(_ worker: Int) -> Bool { membership.member(incarnations[worker]) != nil }

  /// When the next worker has loaded what it shall hold; nil when none loads.
  var nextEnd: Double? { loads.map(\.end).min() }

  /// Lets time pass until `time`.
  mutating func advance(to time: Double) {
    while let index = loads.indices.min(by: { loads[$0].end < loads[$1].end }),
      loads[index].end <= time
    {
      let load = loads.remove(at: index)
      held[load.worker] = load.units
      let ready = Ready(residentBytes: 1, loadedGroups: load.units.count)
      perform(
        membership.handle(
          .ready(ready), from: incarnations[load.worker], of: load.epoch, at: .seconds(load.end)),
        at: load.end)
    }
  }

  /// The connection of a worker is gone.
  mutating func noteGone(_ worker: Int, at time: Double) {
    perform(
      membership.note(incarnations[worker], isConnected: false, at: .seconds(time)), at: time)
    if !isHere(worker) { loads.removeAll { $0.worker == worker } }
  }

  /// The engine's thread has lost a worker.
  mutating func lose(_ worker: Int, reason: String, at time: Double) {
    loads.removeAll { $0.worker == worker }
    perform(
      membership.lose(
        WorkerID(UInt32(worker)), reason: reason, suspendedFor: nil, at: .seconds(time)),
      at: time)
  }

  /// Carries out what the membership has decided; `takes` is whether loading takes time.
  private mutating func perform(
    _ actions: [Membership.Action], at time: Double, takes: Bool = true
  ) {
    for case .send(.assignment(let assignment), let incarnation) in actions {
      guard let worker = incarnations.firstIndex(of: incarnation) else { continue }
      let units = Set(assignment.units)
      held[worker].formIntersection(units)
      let missing = units.subtracting(held[worker]).reduce(0) {
        $0 + geometry.byteCount($1.layer, $1.group)
      }
      loads.removeAll { $0.worker == worker }
      loads.append(
        Load(
          worker: worker, units: units, epoch: membership.epoch,
          end: time + (takes ? Double(missing) / bytesPerSecond : 0)))
    }
  }
}
