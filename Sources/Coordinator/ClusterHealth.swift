package import Messages
public import Placement
import Synchronization
package import Transport

/// What the control plane and the engine's thread tell each other, and what others may see of it.
final class ClusterHealth: Sendable {
  /// A worker that the engine's thread has found out about.
  struct Loss: Equatable {
    let worker: WorkerID
    let reason: String
    /// How long it may not join again, when it did what no worker does.
    let suspension: Duration?
  }

  private struct State {
    var summaries: [WorkerSummary] = []
    var roster = Roster()
    var wholeVersion: UInt64 = 0  // of the last roster in which every group had a holder
    var plan: PlacementPlan?
    var losses: [Loss] = []
    var drains: [WorkerID] = []
    var samples: RoutingSampler?
  }

  private let state = Mutex(State())
  private let version = Atomic<UInt64>(0)
  private let isEnding = Atomic<Bool>(false)
  private let wantsSamplesNow = Atomic<Bool>(false)

  // MARK: - From the control plane

  /// Takes over what is known now, with the keys that workers proved.
  func update(_ membership: Membership, keys: (Incarnation) -> PublicKey?) {
    let summaries = membership.members.map(WorkerSummary.init)
    state.withLock { $0.summaries = summaries }
    guard membership.rosterVersion != version.load(ordering: .relaxed) else { return }
    var roster = membership.roster
    for index in roster.workers.indices {
      roster.workers[index].key = keys(roster.workers[index].incarnation)
    }
    state.withLock { [roster] in
      $0.roster = roster
      if roster.isWhole { $0.wholeVersion = membership.rosterVersion }
      $0.plan = membership.plan
    }
    version.store(membership.rosterVersion, ordering: .releasing)
  }

  /// What the engine's thread has found out since the last call.
  func takeLosses() -> [Loss] {
    state.withLock { state in
      defer { state.losses.removeAll(keepingCapacity: true) }
      return state.losses
    }
  }

  /// Workers that somebody wants drained, since the last call.
  func takeDrains() -> [WorkerID] {
    state.withLock { state in
      defer { state.drains.removeAll(keepingCapacity: true) }
      return state.drains
    }
  }

  /// Wants to know which experts recent tokens used.
  func askForSamples() { wantsSamplesNow.store(true, ordering: .relaxed) }

  /// What the engine's thread has told of that since the last call.
  func takeSamples() -> RoutingSampler? { state.withLock { $0.samples.take() } }

  // MARK: - From the engine's thread

  /// Whether somebody wants to know which experts recent tokens used.
  var wantsSamples: Bool { wantsSamplesNow.load(ordering: .relaxed) }

  /// Which experts recent tokens used.
  func tell(_ samples: RoutingSampler) {
    wantsSamplesNow.store(false, ordering: .relaxed)
    state.withLock { $0.samples = samples }
  }

  /// Grows whenever the roster changes; costs nothing to look at.
  var rosterVersion: UInt64 { version.load(ordering: .acquiring) }

  /// Who answers for what.
  var roster: Roster { state.withLock { $0.roster } }

  /// Whether every group had a holder in a roster after that of `version`.
  func hasBeenWhole(since version: UInt64) -> Bool { state.withLock { $0.wholeVersion > version } }

  /// A worker is lost.
  func report(_ loss: Loss) { state.withLock { $0.losses.append(loss) } }

  // MARK: - From any thread

  /// Calls shall not wait for lost workers any more.
  func end() { isEnding.store(true, ordering: .relaxed) }

  /// Whether calls shall not wait.
  var hasEnded: Bool { isEnding.load(ordering: .relaxed) }

  /// A worker shall go, once others hold what it holds.
  func drain(_ worker: WorkerID) { state.withLock { $0.drains.append(worker) } }

  /// The workers as last known.
  var summaries: [WorkerSummary] { state.withLock { $0.summaries } }

  /// Who shall hold what.
  var plan: PlacementPlan? { state.withLock { $0.plan } }
}

/// Who answers for what at a moment, as the control plane has decided: a plain value.
package struct Roster: Equatable, Sendable {
  /// A worker that answers.
  package struct Worker: Equatable, Sendable {
    package let id: WorkerID
    package let incarnation: Incarnation
    /// The epoch of its data connection: that of its first assignment.
    package let epoch: Epoch
    package let label: String
    /// Bytes of weights that it reads per second.
    package var bytesPerSecond = 1e9
    /// The key that its connections have to prove; nil in a cluster without keys.
    package var key: PublicKey?
  }

  /// The workers that answer.
  package var workers: [Worker] = []
  /// For each layer and group, layer by layer, who has loaded it, the preferred one first.
  package var holders: [[WorkerID]] = []

  package init() {}

  /// Whether every group has a holder.
  var isWhole: Bool { holders.allSatisfy { !$0.isEmpty } }
}

/// One worker, for tables and logs.
public struct WorkerSummary: Sendable, Equatable {
  /// Number of the worker in the cluster.
  public let id: WorkerID
  /// The name that it gave itself.
  public let name: String
  /// Threads that compute.
  public let cores: Int
  /// Kernel variant in use.
  public let instructionSet: String
  /// Bytes of experts that it may hold.
  public let memoryBudget: Int
  /// Measured read bandwidth of its memory, in bytes per second; 0 when unknown.
  public let memoryBandwidth: Int
  /// Expert groups that it shall hold.
  public let assignedGroups: Int
  /// Expert groups that it holds.
  public let loadedGroups: Int
  /// Bytes of experts that it holds.
  public let residentBytes: Int
  /// Whether it is loaded and answers.
  public let isReady: Bool
  /// Whether its groups are being moved away, so that it may go.
  public let isDraining: Bool
  /// Why it is gone, if it is.
  public let lostReason: String?

  init(_ member: Membership.Member) {
    id = member.id
    name = member.hello.name
    cores = member.hello.cores
    instructionSet = member.hello.instructionSet
    memoryBudget = member.hello.memoryBudget
    memoryBandwidth = member.hello.memoryBandwidth
    assignedGroups = member.units.count
    loadedGroups = member.progress?.loadedGroups ?? 0
    residentBytes = member.progress?.residentBytes ?? 0
    isReady = member.isReady
    isDraining = member.isDraining
    lostReason = member.lostReason
  }

  /// "worker 0 (host:1234)".
  public var label: String { "\(id) (\(name))" }
}
