public import Experts
import Kernels
import Messages
import ModelFiles
import Placement
import Synchronization
public import Telemetry
public import Tensors
import Transport

/// The experts of a cluster: one message per worker and layer in each direction.
///
/// Belongs to one thread, the engine's, which owns the data socket; latencies may be read from any.
/// What a worker that dies, hangs or sends garbage was asked for is asked of others that hold the
/// same groups; while nobody does, `combine` waits until somebody has loaded them.
public final class RemoteExperts: ExpertBackend {
  /// Calls that may be on their way at once.
  private static let slotCount = 4
  /// How long a worker that sent garbage may not join again.
  private static let garbagePause: Duration = .seconds(5)

  /// The experts of the model.
  public let geometry: ExpertGeometry
  let socket: DataSocket
  let health: ClusterHealth
  let combineTimeout: Duration
  let recoveryTimeout: Duration
  private let kernels: Kernels
  private let maxRows: Int
  /// Bytes of one expert, about.
  let expertByteCount: Double
  private var uses: [Int]  // experts of the call, by group
  private var sampler: RoutingSampler?
  let slots: [CallSlot]
  private var callCount: UInt64 = 0
  private var step: UInt64 = 0
  private var lastLayer = -1  // of the last dispatch

  // By link: a link keeps its index; that of a lost worker is given to a new one.
  var links: [WorkerLink] = []
  var times: [ReplyTimes] = []
  var suspectUntil: [Duration?] = []
  var routes: RouteTable
  /// The same links, for other threads.
  let published = Mutex<[WorkerLink]>([])
  private let sentCount = Atomic<Int>(0)
  private let hedgedCount = Atomic<Int>(0)

  var inbox = Multipart()
  var attached: [Incarnation: RoutingID]
  var rosterVersion: UInt64 = 0
  /// Until when a worker that the roster names may take to open its data connection.
  var attachmentLimit: Duration?
  var budget = HedgeBudget()
  var checks: DuplicateChecks
  let judge: ShareJudge
  private let heartbeat: Heartbeat?
  /// Whether something has happened that calls on their way must react to.
  var isDisturbed = false
  var gapSince: Duration?
  var lastLoss = "no worker has joined"
  /// Writes down what happens to each call; nil unless somebody wants to know.
  public var recorder: DispatchRecorder?
  /// Replies that belonged to no live call, or came after another worker's.
  public internal(set) var staleReplyCount = 0
  /// Calls that were sent to another worker because one was late.
  public var hedgeCount: Int { budget.spentCount }
  /// Messages to workers so far, and those that asked another one because one was late; from any thread.
  public var messageCounts: (all: Int, hedges: Int) {
    (sentCount.load(ordering: .relaxed), hedgedCount.load(ordering: .relaxed))
  }
  /// Calls that two workers computed and whose answers were compared.
  public var comparedCount: Int { checks.comparedCount }

  init(
    _ socket: DataSocket, attached: [Incarnation: RoutingID], catalog: ExpertCatalog,
    kernels: Kernels, health: ClusterHealth, options: ClusterOptions
  ) {
    let geometry = catalog.geometry
    self.socket = socket
    self.attached = attached
    self.geometry = geometry
    self.kernels = kernels
    self.health = health
    combineTimeout = options.combineTimeout
    recoveryTimeout = options.recoveryTimeout
    heartbeat = options.heartbeat
    maxRows = options.maxRows
    expertByteCount =
      Double(geometry.routedByteCount)
      / Double(max(geometry.moeLayers.count * geometry.expertCount, 1))
    uses = geometry.groups.map { _ in 0 }
    sampler = options.rebalanceInterval.map { _ in RoutingSampler(geometry) }
    checks = DuplicateChecks(fraction: options.verifyFraction)
    judge = ShareJudge(geometry: geometry, source: catalog, kernels: kernels)
    routes = RouteTable(geometry)
    slots = (0..<Self.slotCount).map { _ in
      CallSlot(geometry: geometry, maxRows: options.maxRows)
    }
    refresh()
  }

  /// What was measured on each link to a worker that is here.
  public var latencies: [LinkLatencies] {
    published.withLock { $0 }.compactMap { link in
      link.latencies.map { LinkLatencies(worker: link.id, label: link.label, hops: $0) }
    }
  }
}

// MARK: - Dispatch

extension RemoteExperts {
  /// Sends each worker its share of the batch, without waiting.
  ///
  /// - Throws: `ExpertsUnavailable` when groups have been without a worker for too long.
  public func dispatch(
    _ batch: borrowing RoutedBatch, layer: LayerIndex
  ) throws -> DispatchTicket {
    let enqueuedAt = MonotonicTime.nanoseconds
    guard geometry.shape.contains(layer), batch.rowCount <= maxRows else {
      throw ClusterError.batch(
        "layer \(layer) with \(batch.rowCount) rows is not what this cluster was set up for")
    }
    heartbeat?.beat()
    forgetClosedGap()
    try keepUp()
    let slot = freeSlot()
    slot.begin(
      nextCall(layer), batch, assignment: assignment(of: batch, layer), links: links.count)
    sample(batch)
    recorder?.dispatching(
      callCount, layer: layer.rawValue, rowCount: batch.rowCount, at: enqueuedAt)
    do {
      for worker in links.indices where !slot.split.shares[worker].isEmpty {
        try send(slot, share: worker, to: worker, attempt: 1, enqueuedAt: enqueuedAt)
        budget.earn()
        if checks.takesNext() { try sendTwice(slot, share: worker, sentTo: worker) }
      }
      if isDisturbed { try act(on: slot) }
    } catch {
      slot.tracker.abandon()
      throw error
    }
    return DispatchTicket(id: callCount, layer: layer, rowCount: batch.rowCount)
  }

  /// By group the link that computes it.
  private func assignment(of batch: borrowing RoutedBatch, _ layer: LayerIndex) -> [Int] {
    guard routes.hasChoice(layer) else {
      return routes.preferred[layer.rawValue - geometry.moeLayers.lowerBound]
    }
    for group in uses.indices { uses[group] = 0 }
    let entries = batch.entries
    for index in entries.indices {
      let expert = ExpertID(Int(entries[index].expert))
      uses[geometry.group(of: expert).rawValue] += geometry.useCount(of: expert)
    }
    return routes.assignment(layer, uses: uses)
  }

  /// Takes down which experts are used, and tells it when somebody wants to know.
  private func sample(_ batch: borrowing RoutedBatch) {
    sampler?.take(batch)
    if health.wantsSamples, let sampler { health.tell(sampler) }
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
    // A step in parts asks a layer's experts several times, one after another.
    let isNewStep = layer.rawValue < lastLayer || geometry.moeLayers.count == 1
    if isNewStep || step == 0 { step += 1 }
    lastLayer = layer.rawValue
    return Call(step: step, number: callCount, layer: layer.rawValue, attempt: 1)
  }

  /// Sends a share; a worker that cannot be reached is lost, and its share is still to be sent.
  func send(
    _ slot: CallSlot, share: Int, to worker: Int, attempt: UInt32, enqueuedAt: UInt64
  ) throws {
    try slot.writeFrames(share)
    let part = slot.split.shares[share]
    var call = slot.tracker.call
    call.attempt = attempt
    let layer = LayerIndex(call.layer)
    let header = DispatchHeader(
      call: call, rowCount: part.rows.count, width: geometry.hiddenSize,
      entryCount: part.entries.count, rowFormat: RowFormat(geometry.inputFormat(layer)),
      replyFormat: RowFormat(geometry.replyFormat(layer)), enqueuedAt: enqueuedAt)
    do throws(TransportError) {
      try socket.send(.dispatch(header), &slot.outbox, to: links[worker])
    } catch {
      return lose(worker, error.reason)
    }
    sentCount.wrappingAdd(1, ordering: .relaxed)
    hedgedCount.store(budget.spentCount, ordering: .relaxed)
    let now = MonotonicTime.now
    slot.tracker.sent(
      share, part.groups, partialCount: part.partials.count + part.sharedRows.count,
      sharedCount: part.sharedRows.count, to: worker, attempt: attempt,
      enqueuedAt: enqueuedAt, at: now,
      lateAt: now + lateLimit(of: worker, size: part.entries.count),
      lostAt: lossLimit(of: worker, size: part.entries.count).map { now + $0 })
    recorder?.sent(call.number, to: worker, at: MonotonicTime.nanoseconds)
  }
}

// MARK: - Combine

extension RemoteExperts {
  /// Waits for every group and adds partial sums in ascending group order.
  ///
  /// - Throws: `ExpertsUnavailable` when groups have been without a worker for too long,
  ///   `ClusterError` when no worker can compute the call.
  public func combine(_ ticket: DispatchTicket, into sum: inout FloatMatrix) throws {
    guard ticket.id > 0, let slot = slots.first(where: { $0.tracker.call.number == ticket.id })
    else {
      throw ClusterError.batch("dispatch \(ticket.id) is not on its way")
    }
    defer { slot.tracker.abandon() }
    let start = MonotonicTime.nanoseconds
    try wait(for: slot)
    slot.add(into: &sum, with: kernels)
    recorder?.combined(ticket.id, from: start, to: MonotonicTime.nanoseconds)
  }

  private func wait(for slot: CallSlot) throws {
    var schedule = PingSchedule(from: MonotonicTime.now)
    while !slot.tracker.isComplete {
      let now = MonotonicTime.now
      // Whole milliseconds are waited; a little too long is better than in vain.
      let late = slot.tracker.nextLateness(after: now).map { $0 - now + .milliseconds(1) }
      let came = try receive(timeout: min(PingSchedule.pause, late ?? PingSchedule.pause))
      if came, !isDisturbed { continue }
      heartbeat?.beat()
      if schedule.isDue(at: MonotonicTime.now) { look(after: slot) }
      try keepUp()
      try act(on: slot)
    }
  }

  /// Looks whether the connections of the workers that are waited for still live.
  private func look(after slot: CallSlot) {
    for worker in links.indices where slot.tracker.isAwaiting(worker) {
      if let problem = socket.ping(links[worker]) { lose(worker, problem) }
    }
  }

  /// Takes in one message of any worker for any call; false when none came in time.
  func receive(timeout: Duration) throws -> Bool {
    guard let sender = try socket.router.receive(&inbox, timeout: timeout) else { return false }
    let arrivedAt = MonotonicTime.nanoseconds
    guard let worker = links.firstIndex(where: { $0.peer == sender }) else {
      attach(sender)
      return true
    }
    switch socket.check(inbox, of: links[worker]) {
    case .attachment: break
    case .stale, .echo: staleReplyCount += 1
    case .garbage(let what): lose(worker, "it sent \(what)", suspendedFor: Self.garbagePause)
    case .reply(let reply):
      answered(worker)
      take(reply, from: worker, arrivedAt: arrivedAt)
    }
    return true
  }

  private func take(_ reply: ReplyHeader, from worker: Int, arrivedAt: UInt64) {
    let layer = LayerIndex(reply.call.layer)
    if !checks.isEmpty, reply.error == nil { compare(reply, from: worker) }
    guard let slot = slots.first(where: { $0.tracker.call.number == reply.call.number }),
      geometry.shape.contains(layer)
    else {
      staleReplyCount += 1
      return
    }
    switch slot.take(reply, inbox.frame(2), from: worker) {
    case .accept(let index):
      links[worker].record(reply, arrivedAt: arrivedAt)
      let sending = slot.tracker.sendings[index]
      times[worker].record(
        MonotonicTime.now - sending.sentAt, size: slot.split.shares[sending.share].entries.count)
      recorder?.replied(reply.call.number, ShareRecord(reply, from: worker, arrivedAt: arrivedAt))
    case .stale: staleReplyCount += 1
    case .garbage(let what): lose(worker, "it sent \(what)", suspendedFor: Self.garbagePause)
    case .failed(let reason):
      slot.failure = .workerFailed(layer: layer, worker: links[worker].label, reason: reason)
      slot.tracker.refuse(worker, attempt: reply.call.attempt)
      isDisturbed = true
    }
  }
}

/// When to ask connections whether they are there: often at first, then less often, since such
/// messages queue up at a worker that computes for long.
private struct PingSchedule {
  /// How long one wait for messages lasts.
  static let pause: Duration = .milliseconds(4)

  private let start: Duration
  private var next: Duration

  init(from time: Duration) {
    start = time
    next = time
  }

  mutating func isDue(at time: Duration) -> Bool {
    guard time >= next else { return false }
    let waited = time - start
    next = time + (waited < .milliseconds(100) ? .zero : max(waited / 8, .milliseconds(16)))
    return true
  }
}
