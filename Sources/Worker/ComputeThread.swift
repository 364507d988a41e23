import Experts
import Foundation
import Kernels
import Logging
import Messages
import ModelFiles
import Placement
import Synchronization
import Telemetry
import Transport

/// The thread that loads experts and then owns the data socket and computes.
final class ComputeThread: Sendable {
  /// What to hold and for whom.
  struct Work: Sendable {
    let geometry: ExpertGeometry?  // nil for a dense model
    let units: [PlacementUnit]
    let incarnation: Incarnation
    let epoch: Epoch
    let model: ModelDigest
    let endpoint: String
    let security: SocketSecurity
    let polling: Duration
    let answersZeros: Bool
  }

  /// Where the bytes of experts come from.
  enum Source: Sendable {
    case file(ModelArchive)
    case transfer(endpoint: String, timeout: Duration)
  }

  private let work: Work
  private let context: TransportContext
  private let kernels: Kernels
  private let source: Source
  private let held: HeldExperts
  private let status: WorkerStatus
  private let logger: Logger
  private let faults: (any WorkerFaults)?
  private let flag = StopFlag()
  private let changed = Mutex<(units: [PlacementUnit], epoch: Epoch)?>(nil)
  private let ended = DispatchSemaphore(value: 0)

  /// Starts the thread.
  init(
    _ work: Work, context: TransportContext, kernels: Kernels, source: Source,
    held: HeldExperts, status: WorkerStatus, logger: Logger, faults: (any WorkerFaults)?
  ) {
    self.work = work
    self.context = context
    self.kernels = kernels
    self.source = source
    self.held = held
    self.status = status
    self.logger = logger
    self.faults = faults
    let thread = Thread { [self] in
      ThreadTeam.nameThisThread("compute")
      run()
      ended.signal()
    }
    thread.stackSize = 8 << 20
    thread.start()
  }

  /// Ends the thread, and waits for it up to `limit`; whether it has ended.
  func stop(within limit: Duration) -> Bool {
    flag.raise()
    // Not by the semaphore's own timeout, which follows the wall clock and its jumps.
    let end = MonotonicTime.now + limit
    while ended.wait(timeout: .now()) != .success {
      guard MonotonicTime.now < end else { return false }
      Thread.sleep(forTimeInterval: 0.002)
    }
    ended.signal()
    return true
  }

  /// Holds `units` from now on, as assigned in `epoch`; answers meanwhile.
  func change(to units: [PlacementUnit], _ epoch: Epoch) {
    changed.withLock { $0 = (units, epoch) }
  }

  private func run() {
    do {
      let bank = work.geometry.map(takeBank)
      // Also when loading ends early: the next coordinator may want what has come.
      defer { if let bank { held.keep(bank, of: work.model) } }
      if let bank { try load(into: bank) }
      var server = try DataServer(
        work, context: context, bank: bank, kernels: kernels, faults: faults)
      try server.attach(while: { !flag.isRaised })
      status.serving(work.epoch)
      var growth = Growth()
      while !flag.isRaised {
        let came = try server.serve(
          status, logger, timeout: growth.isRunning ? .milliseconds(2) : .milliseconds(50))
        if !came { try server.attachAgain() }
        if let bank {
          try grow(bank, &growth)
        } else if let (_, epoch) = changed.withLock({ $0.take() }) {
          status.serving(epoch)  // there is nothing to load
        }
      }
    } catch {
      guard !flag.isRaised else { return }
      if case WorkerError.interrupted(let text) = error {
        status.failed(Refusal(.malformed, text), joinsAgain: true)
      } else {
        status.failed(Refusal(.load, "\(error)"))
      }
    }
  }

  /// Groups that are being loaded while the thread answers.
  private struct Growth {
    var loader: GroupLoader?
    var units: Set<PlacementUnit> = []
    var epoch = Epoch(rawValue: 0)
    var requested: Set<PlacementUnit> = []
    var isRunning = false
  }

  private func grow(_ bank: ExpertBank, _ growth: inout Growth) throws {
    let geometry = bank.geometry
    if let (units, epoch) = changed.withLock({ $0.take() }) {
      growth.units = Set(units)
      growth.epoch = epoch
      growth.isRunning = true
      for layer in geometry.layers {
        for group in geometry.groups
        where !growth.units.contains(PlacementUnit(layer: layer, group: group)) {
          bank.unload(layer, group)
        }
      }
      growth.requested.subtract(growth.loader?.drop(except: growth.units) ?? [])
      let missing = units.filter {
        !bank.holds($0.layer, $0.group) && !growth.requested.contains($0)
      }
      try missing.forEach { try check($0, geometry) }
      if !missing.isEmpty {
        let loader =
          try growth.loader
          ?? GroupLoader(
            geometry, source: openSource(geometry), kernels: kernels, faults: faults,
            isStopped: { [flag] in flag.isRaised })
        growth.loader = loader
        growth.requested.formUnion(missing)
        loader.load(missing)
      }
    }
    guard growth.isRunning else { return }
    let loaded: [PackedGroup]
    do { loaded = try growth.loader?.take() ?? [] } catch {
      throw WorkerError.interrupted("more experts cannot be loaded: \(error)")
    }
    for packed in loaded {
      let unit = PlacementUnit(layer: packed.layer, group: packed.group)
      growth.requested.remove(unit)
      if growth.units.contains(unit) { bank.insert(packed) }
      status.begin()
      status.end()
    }
    let count = growth.units.count { bank.holds($0.layer, $0.group) }
    status.loaded(groups: count, residentBytes: bank.residentByteCount)
    guard count == growth.units.count else { return }
    growth.isRunning = false
    status.serving(growth.epoch)
  }

  private func check(_ unit: PlacementUnit, _ geometry: ExpertGeometry) throws {
    guard geometry.shape.contains(unit.layer), geometry.contains(unit.group) else {
      throw WorkerError.assignment(
        "layer \(unit.layer), group \(unit.group) was assigned, but the model has no such")
    }
  }

  /// Loads what was assigned and `bank` does not hold yet.
  private func load(into bank: ExpertBank) throws {
    let geometry = bank.geometry
    let missing = work.units.filter { !bank.holds($0.layer, $0.group) }
    let keptCount = work.units.count - missing.count
    status.loaded(groups: keptCount, residentBytes: bank.residentByteCount)
    if keptCount > 0 { logger.notice("Kept \(keptCount) expert groups in memory") }
    guard !missing.isEmpty else { return }
    let source = try openSource(geometry)
    for (index, unit) in missing.enumerated() {
      if flag.isRaised { throw WorkerError.assignment("loading was ended") }
      try check(unit, geometry)
      status.begin()
      try faults?.reach(.loading)
      // The thread is stuck when nothing comes: many workers may share the link that it comes by.
      try bank.load(unit.layer, unit.group, from: source, kernels: kernels) { _ in status.begin() }
      status.end()
      status.loaded(groups: keptCount + index + 1, residentBytes: bank.residentByteCount)
    }
  }

  /// What is still in memory of the same model, without groups that others hold now; else nothing.
  private func takeBank(_ geometry: ExpertGeometry) -> ExpertBank {
    guard let bank = held.take(model: work.model, geometry: geometry) else {
      return ExpertBank(geometry: geometry)
    }
    let wanted = Set(work.units)
    for layer in geometry.layers {
      for group in geometry.groups
      where !wanted.contains(PlacementUnit(layer: layer, group: group)) {
        bank.unload(layer, group)
      }
    }
    return bank
  }

  private func openSource(_ geometry: ExpertGeometry) throws -> any ExpertSource {
    switch source {
    case .file(let archive):
      let catalog = try ExpertCatalog(
        archive: archive, shape: geometry.shape,
        sharedIntermediateSize: geometry.shared?.intermediateSize ?? 0)
      guard catalog.geometry == geometry else {
        throw WorkerError.assignment(
          "\(archive.path) has other expert formats than the coordinator's model; copy its file")
      }
      return catalog
    case .transfer(let endpoint, let timeout):
      return try ChunkClient(
        context, endpoint: endpoint, security: work.security, incarnation: work.incarnation,
        epoch: work.epoch, timeout: timeout, isStopped: { [flag] in flag.isRaised })
    }
  }
}

/// A request to end, from one thread to another.
final class StopFlag: Sendable {
  private let value = Atomic<Bool>(false)

  /// Whether the request was made.
  var isRaised: Bool { value.load(ordering: .relaxed) }

  /// Makes the request.
  func raise() { value.store(true, ordering: .relaxed) }
}
