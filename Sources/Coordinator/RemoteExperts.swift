public import Experts
import Kernels
import Messages
import ModelFiles
import Placement
import Telemetry
public import Tensors
import Transport

/// The experts of a cluster: one message per worker and layer in each direction.
///
/// Belongs to one thread, the engine's, which owns the data socket; latencies may be read from any.
/// A worker that dies, hangs or sends garbage makes `dispatch` or `combine` throw a `ClusterError`
/// within the time limits, and every later call that needs it throw at once.
public final class RemoteExperts: ExpertBackend {
  /// Calls that may be on their way at once.
  private static let slotCount = 4
  /// How long a wait lasts before the peers are looked after.
  private static let patience: Duration = .milliseconds(20)

  /// The experts of the model.
  public let geometry: ExpertGeometry
  let links: [WorkerLink]

  let socket: DataSocket
  private let kernels: Kernels
  private let health: ClusterHealth
  let combineTimeout: Duration
  private let maxRows: Int
  private let assignments: [[Int]]  // (MoE layers, groups): index of the link
  private let slots: [CallSlot]
  private var failures: [ClusterError?]
  private var inbox = Multipart()
  private var callCount: UInt64 = 0
  private var step: UInt64 = 0
  private var lastLayer = -1  // of the last dispatch
  /// Replies that belonged to no live call.
  public private(set) var staleReplyCount = 0

  init(
    _ socket: DataSocket, links: [WorkerLink], plan: PlacementPlan, geometry: ExpertGeometry,
    kernels: Kernels, health: ClusterHealth, options: ClusterOptions
  ) {
    self.socket = socket
    self.links = links
    self.geometry = geometry
    self.kernels = kernels
    self.health = health
    combineTimeout = options.combineTimeout
    maxRows = options.maxRows
    assignments = geometry.layers.map { layer in
      geometry.groups.map { group in
        links.firstIndex { plan[layer, group].first == $0.id } ?? -1
      }
    }
    slots = (0..<Self.slotCount).map { _ in
      CallSlot(geometry: geometry, maxRows: options.maxRows)
    }
    failures = links.map { _ in nil }
  }

  /// What was measured on each link.
  public var latencies: [LinkLatencies] {
    links.map { LinkLatencies(worker: $0.id, label: $0.label, hops: $0.latencies) }
  }
}

// MARK: - Dispatch

extension RemoteExperts {
  /// Sends each worker its share of the batch, without waiting.
  ///
  /// - Throws: `ClusterError` when a worker that is needed is gone.
  public func dispatch(
    _ batch: borrowing RoutedBatch, layer: LayerIndex
  ) throws -> DispatchTicket {
    let enqueuedAt = MonotonicTime.nanoseconds
    guard geometry.shape.contains(layer), batch.rowCount <= maxRows else {
      throw ClusterError.batch(
        "layer \(layer) with \(batch.rowCount) rows is not what this cluster was set up for")
    }
    let slot = freeSlot()
    slot.begin(
      nextCall(layer), batch,
      assignment: assignments[layer.rawValue - geometry.moeLayers.lowerBound],
      links: links.count, deadline: MonotonicTime.now + combineTimeout)
    do {
      for worker in links.indices where !slot.split.shares[worker].isEmpty {
        try send(slot, batch, to: worker, enqueuedAt: enqueuedAt)
      }
    } catch {
      slot.tracker.abandon()
      throw error
    }
    return DispatchTicket(id: callCount, layer: layer, rowCount: batch.rowCount)
  }

  /// The first free one, so that no more grow to a batch's size than are needed at once; else the
  /// oldest, whose ticket its owner must have dropped.
  private func freeSlot() -> CallSlot {
    var oldest = slots[0]
    for slot in slots {
      if !slot.tracker.isLive { return slot }
      if slot.tracker.call.number < oldest.tracker.call.number { oldest = slot }
    }
    return oldest
  }

  private func nextCall(_ layer: LayerIndex) -> Call {
    callCount += 1
    if layer.rawValue <= lastLayer || step == 0 { step += 1 }
    lastLayer = layer.rawValue
    return Call(step: step, number: callCount, layer: layer.rawValue, attempt: 1)
  }

  private func send(
    _ slot: CallSlot, _ batch: borrowing RoutedBatch, to worker: Int, enqueuedAt: UInt64
  ) throws {
    let layer = LayerIndex(slot.tracker.call.layer)
    if let reason = health.lostReason(links[worker].id) { lose(worker, layer, reason) }
    if let failure = failures[worker] { throw failure }
    try slot.writeFrames(batch, for: worker)
    let share = slot.split.shares[worker]
    let header = DispatchHeader(
      call: slot.tracker.call, rowCount: share.rows.count, width: geometry.hiddenSize,
      entryCount: share.entries.count, rowFormat: RowFormat(geometry.inputFormat(layer)),
      replyFormat: RowFormat(geometry.replyFormat(layer)), enqueuedAt: enqueuedAt)
    do throws(TransportError) {
      try socket.send(.dispatch(header), &slot.outbox, to: links[worker])
    } catch {
      lose(worker, layer, error.reason)
      throw failures[worker] ?? ClusterError.batch(error.description)
    }
    slot.tracker.expect(worker: worker, partialCount: share.partials.count)
  }

  private func lose(_ worker: Int, _ layer: LayerIndex, _ reason: String) {
    fail(worker, .lost(layer: layer, worker: links[worker].label, reason: reason))
  }

  private func fail(_ worker: Int, _ error: ClusterError) {
    if failures[worker] == nil { failures[worker] = error }
  }
}

// MARK: - Combine

extension RemoteExperts {
  /// Waits for every worker and adds partial sums in ascending group order.
  ///
  /// - Throws: `ClusterError` when a worker is gone, silent beyond the limit, or sends garbage.
  public func combine(_ ticket: DispatchTicket, into sum: inout FloatMatrix) throws {
    guard ticket.id > 0, let slot = slots.first(where: { $0.tracker.call.number == ticket.id })
    else {
      throw ClusterError.batch("dispatch \(ticket.id) is not on its way")
    }
    defer { slot.tracker.abandon() }
    try wait(for: slot, layer: ticket.layer)
    slot.add(into: &sum, with: kernels)
  }

  private func wait(for slot: CallSlot, layer: LayerIndex) throws {
    var patience = Self.patience
    var nextLook = MonotonicTime.now + patience
    while !slot.tracker.isComplete {
      if let failure = slot.failure { throw failure }
      for worker in links.indices where slot.tracker.isAwaiting(worker) {
        if let failure = failures[worker] { throw failure }
      }
      if try receive(timeout: Self.patience) { continue }
      let now = MonotonicTime.now
      if slot.tracker.isOverdue(at: now) { giveUp(slot, layer) }
      guard now >= nextLook else { continue }
      look(after: slot, layer)
      // Pings queue up at a worker that computes for long: ask ever less often.
      patience = min(patience * 2, .seconds(1))
      nextLook = now + patience
    }
  }

  /// Looks whether the workers that are waited for still live.
  private func look(after slot: CallSlot, _ layer: LayerIndex) {
    for worker in links.indices where slot.tracker.isAwaiting(worker) {
      if let reason = health.lostReason(links[worker].id) {
        lose(worker, layer, reason)
      } else if let problem = socket.ping(links[worker]) {
        lose(worker, layer, problem)
      }
    }
  }

  private func giveUp(_ slot: CallSlot, _ layer: LayerIndex) {
    for worker in links.indices where slot.tracker.isAwaiting(worker) {
      fail(
        worker, .noReply(layer: layer, worker: links[worker].label, limit: combineTimeout))
    }
  }
}

// MARK: - Receive

extension RemoteExperts {
  /// Takes in one message of any worker for any call; false when none came in time.
  private func receive(timeout: Duration) throws -> Bool {
    guard let sender = try socket.router.receive(&inbox, timeout: timeout) else { return false }
    let arrivedAt = MonotonicTime.nanoseconds
    guard let worker = links.firstIndex(where: { $0.peer == sender }) else {
      staleReplyCount += 1
      return true
    }
    switch socket.check(inbox, of: links[worker]) {
    case .stale, .echo: staleReplyCount += 1
    case .garbage(let what): failGarbage(worker, LayerIndex(max(lastLayer, 0)), what)
    case .reply(let reply): take(reply, from: worker, arrivedAt: arrivedAt)
    }
    return true
  }

  private func take(_ reply: ReplyHeader, from worker: Int, arrivedAt: UInt64) {
    let layer = LayerIndex(reply.call.layer)
    guard let slot = slots.first(where: { $0.tracker.call.number == reply.call.number }),
      geometry.shape.contains(layer)
    else {
      staleReplyCount += 1
      return
    }
    switch slot.take(reply, inbox.frame(2), from: worker) {
    case .accept: links[worker].record(reply, arrivedAt: arrivedAt)
    case .stale: staleReplyCount += 1
    case .garbage(let what): failGarbage(worker, layer, what)
    case .failed(let reason):
      slot.failure = .workerFailed(layer: layer, worker: links[worker].label, reason: reason)
    }
  }

  private func failGarbage(_ worker: Int, _ layer: LayerIndex, _ what: String) {
    fail(worker, .garbage(layer: layer, worker: links[worker].label, what: what))
  }
}
