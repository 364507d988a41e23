public import Placement
import Messages
import Synchronization

/// What the control plane knows of the workers, for other threads.
final class ClusterHealth: Sendable {
  private struct State {
    var summaries: [WorkerSummary] = []
    var lost: [WorkerID: String] = [:]
  }

  private let state = Mutex(State())

  /// A worker is gone.
  func lose(_ worker: WorkerID, reason: String) {
    state.withLock { $0.lost[worker] = reason }
  }

  /// Why a worker is gone, if it is.
  func lostReason(_ worker: WorkerID) -> String? { state.withLock { $0.lost[worker] } }

  /// Takes over what is known now.
  func update(_ members: [Membership.Member]) {
    state.withLock { state in
      state.summaries = members.map(WorkerSummary.init)
    }
  }

  /// The workers as last known.
  var summaries: [WorkerSummary] { state.withLock { $0.summaries } }
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
    lostReason = member.lostReason
  }

  /// "worker 0 (host:1234)".
  public var label: String { "\(id) (\(name))" }
}
