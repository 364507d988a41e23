import Experts
import Foundation
import Kernels
import Placement
import Synchronization

/// Loads more groups on a thread of its own while the compute thread goes on answering.
///
/// It takes half of the threads at most: the other half computes meanwhile.
final class GroupLoader: Sendable {
  private struct State {
    var wanted: [PlacementUnit] = []  // not yet begun
    var loaded: [PackedGroup] = []  // not yet taken
    var failure: (any Error)?
    var isRunning = false
  }

  /// Groups share an arena up to this size, as those of a bank do.
  private static let arenaByteCount = 256 << 20

  private let geometry: ExpertGeometry
  private let source: any ExpertSource
  private let kernels: Kernels
  private let faults: (any WorkerFaults)?
  private let isStopped: @Sendable () -> Bool
  private let state = Mutex(State())

  init(
    _ geometry: ExpertGeometry, source: any ExpertSource, kernels: Kernels,
    faults: (any WorkerFaults)?, isStopped: @escaping @Sendable () -> Bool
  ) {
    self.geometry = geometry
    self.source = source
    self.faults = faults
    self.isStopped = isStopped
    let team = ThreadTeam(threads: max(1, kernels.team.threadCount / 2))
    self.kernels = Kernels(variant: kernels.variant, team: team)
  }

  /// Loads these, too.
  func load(_ units: [PlacementUnit]) {
    let starts = state.withLock { state in
      state.wanted += units
      defer { state.isRunning = true }
      return !state.isRunning
    }
    guard starts else { return }
    let thread = Thread { [self] in run() }
    thread.name = "loader"
    thread.start()
  }

  /// Gives up what is not among `units` and has not been begun; returns that.
  func drop(except units: Set<PlacementUnit>) -> [PlacementUnit] {
    state.withLock { state in
      let dropped = state.wanted.filter { !units.contains($0) }
      state.wanted.removeAll { !units.contains($0) }
      return dropped
    }
  }

  /// What has been loaded since the last call.
  ///
  /// - Throws: Why loading has ended early.
  func take() throws -> [PackedGroup] {
    let (loaded, failure) = state.withLock { state in
      defer { state.loaded.removeAll() }
      return (state.loaded, state.failure)
    }
    if let failure { throw failure }
    return loaded
  }

  private func next() -> PlacementUnit? {
    state.withLock { state in
      guard !state.wanted.isEmpty, state.failure == nil, !isStopped() else {
        state.isRunning = false
        return nil
      }
      return state.wanted.removeFirst()
    }
  }

  private func run() {
    var arena = WeightArena()
    while let unit = next() {
      if arena.byteCount >= Self.arenaByteCount { arena = WeightArena() }
      do {
        try faults?.reach(.loading)
        let packed = try pack(unit, in: arena, from: source)
        state.withLock { $0.loaded.append(packed) }
      } catch {
        state.withLock { $0.failure = error }
      }
    }
  }

  private func pack(
    _ unit: PlacementUnit, in arena: WeightArena, from source: some ExpertSource
  ) throws -> PackedGroup {
    var packer = try GroupPacker(
      geometry, layer: unit.layer, group: unit.group, arena: arena, kernels: kernels)
    try packer.fill(from: source)
    return try packer.finish()
  }
}
