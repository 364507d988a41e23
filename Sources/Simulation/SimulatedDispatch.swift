internal import Coordinator
internal import Experts
internal import Messages
internal import Placement
internal import Planning

/// The dispatches of a simulated cluster: the coordinator's own call tracker, routes, choice among
/// replicas, limits of lateness and budget for asking twice, driven as the engine's thread drives them.
struct SimulatedDispatch {
  /// A reply on its way.
  private struct Flight {
    let worker: Int
    let header: ReplyHeader
    let byteCount: Int
    let sentAt: Double
    let entryCount: Int
    let end: Double
  }

  /// How often the engine's thread looks up while it waits.
  private static let pause = 0.004
  /// A reply that has not come after this is lost with its worker, as `--combine-timeout` has it.
  private static let combineLimit: Duration = .seconds(30)

  private let steps: StepModel
  private let geometry: ExpertGeometry
  private let faults: Faults
  private(set) var members: SimulatedMembers
  private var routes: RouteTable
  private var tracker: CallTracker
  private var times: [ReplyTimes]
  private var suspectUntil: [Double?]
  private var budget = HedgeBudget()
  private var version: UInt64 = 0
  private var callCount: UInt64 = 0
  private var gapSince: Double?
  private var flights: [Flight] = []
  private var freeAt: [Double]  // when each worker has computed what it was sent
  private var diesAt: [Double]
  private var drawn = DrawnCall.none
  private(set) var now = 0.0

  /// Seconds that each worker has computed, and bytes to it and back.
  private(set) var busy: [Double]
  private(set) var sent: [Double]
  private(set) var received: [Double]
  /// Messages to workers, and those of them that asked another one because one was late.
  private(set) var sendingCount = 0
  var hedgeCount: Int { budget.spentCount }

  init(
    _ steps: StepModel, _ geometry: ExpertGeometry, _ members: SimulatedMembers, _ faults: Faults,
    workers: Int
  ) {
    self.steps = steps
    self.geometry = geometry
    self.members = members
    self.faults = faults
    routes = RouteTable(geometry)
    tracker = CallTracker(width: geometry.hiddenSize, groupCount: geometry.placedGroupCount)
    times = Array(repeating: ReplyTimes(), count: workers)
    suspectUntil = Array(repeating: nil, count: workers)
    freeAt = Array(repeating: 0, count: workers)
    diesAt = Array(repeating: .infinity, count: workers)
    for loss in faults.losses where diesAt.indices.contains(loss.worker) {
      diesAt[loss.worker] = min(diesAt[loss.worker], loss.time)
    }
    busy = Array(repeating: 0, count: workers)
    sent = busy
    received = busy
    refresh()
  }

  /// Runs the call of one layer.
  ///
  /// - Parameters:
  ///   - layer: The layer among those with experts.
  ///   - rowCount: Rows of the step.
  ///   - time: When the call begins, in seconds.
  ///   - random: Decides experts and late replies.
  /// - Returns: When its sum is there; nil when experts were missing for too long.
  mutating func run(
    layer: Int, rowCount: Int, at time: Double, random: inout SeededRandom
  ) -> Double? {
    now = time
    guard keepUp() else { return nil }
    drawn = steps.draw(layer, rowCount: rowCount, random: &random)
    callCount += 1
    let index = LayerIndex(geometry.moeLayers.lowerBound + layer)
    tracker.begin(
      Call(step: 1, number: callCount, layer: index.rawValue, attempt: 1),
      replyFormat: RowFormat(geometry.replyFormat(index)), groups: drawn.groups)
    let own = steps.sharedSeconds(rowCount: rowCount)
    dispatch(index, beside: own, &random)
    while !tracker.isComplete {
      act(&random)
      if tracker.isHopeless { return nil }
      if tracker.isComplete { break }
      let next = flights.map(\.end).min() ?? .infinity
      let late = tracker.nextLateness(after: .seconds(now)).map { $0 / .seconds(1) - now + 0.001 }
      let wait = min(Self.pause, late ?? Self.pause)
      if next <= now + wait {
        now = max(now, next)
        deliver()
      } else {
        now += wait
        look()
        guard keepUp() else { return nil }
      }
    }
    tracker.abandon()
    return max(now, time + own)
  }

  // MARK: - Out

  /// Sends each worker its share, as production assigns them.
  private mutating func dispatch(
    _ layer: LayerIndex, beside own: Double, _ random: inout SeededRandom
  ) {
    let assignment =
      routes.hasChoice(layer)
      ? routes.assignment(layer, uses: drawn.uses)
      : routes.preferred[layer.rawValue - geometry.moeLayers.lowerBound]
    var groups = diesAt.map { _ in GroupSet() }
    for (group, worker) in assignment.enumerated()
    where worker >= 0 && drawn.groups.contains(GroupIndex(group)) {
      groups[worker].insert(GroupIndex(group))
    }
    let asked = groups.indices.filter { !groups[$0].isEmpty }
    let costs = asked.map { steps.cost(of: groups[$0], in: drawn, on: $0) }
    for (index, path) in steps.paths(of: costs, beside: own).enumerated() {
      let worker = asked[index]
      send(groups[worker], costs[index], path, to: worker, attempt: 1, &random)
      budget.earn()
    }
  }

  private mutating func resend(
    _ groups: GroupSet, to worker: Int, _ random: inout SeededRandom
  ) {
    let cost = steps.cost(of: groups, in: drawn, on: worker)
    guard let path = steps.paths(of: [cost], beside: 0).first else { return }
    send(groups, cost, path, to: worker, attempt: tracker.nextAttempt(), &random)
  }

  private mutating func send(
    _ groups: GroupSet, _ cost: ShareCost, _ path: SharePath, to worker: Int, attempt: UInt32,
    _ random: inout SeededRandom
  ) {
    if now >= diesAt[worker] + faults.detectionSeconds {
      return lose(worker, "its connection ended", died: true)
    }
    let time = Duration.seconds(now)
    let hasShared = geometry.sharedGroup.map { groups.contains($0) } ?? false
    let sharedCount = hasShared ? drawn.rowCount : 0
    let partialCount = cost.partialCount + sharedCount
    let enqueuedAt = UInt64(now * 1e9)
    tracker.sent(
      tracker.sendings.count, groups, partialCount: partialCount, sharedCount: sharedCount,
      to: worker, attempt: attempt, enqueuedAt: enqueuedAt, at: time,
      lateAt: time + times[worker].limit(size: cost.entryCount),
      lostAt: times[worker].lossLimit(size: cost.entryCount).map { time + $0 })
    sendingCount += 1
    sent[worker] += cost.sentByteCount
    let start = max(now + path.outSeconds, freeAt[worker])
    let end = start + path.computeSeconds
    freeAt[worker] = end
    let isLate = faults.lateShare > 0 && random.unit() <= faults.lateShare
    guard end < diesAt[worker] else { return }  // its reply will not come
    busy[worker] += cost.busySeconds
    received[worker] += cost.receivedByteCount
    var call = tracker.call
    call.attempt = attempt
    let layer = LayerIndex(call.layer)
    let header = ReplyHeader(
      call: call, partialCount: partialCount, width: geometry.hiddenSize,
      rowFormat: RowFormat(geometry.replyFormat(layer)), enqueuedAt: enqueuedAt,
      times: WorkerTimes(receivedAt: 0, computeStartedAt: 0, computeEndedAt: 0, repliedAt: 0),
      error: nil)
    flights.append(
      Flight(
        worker: worker, header: header,
        byteCount: cost.partialCount * geometry.replyRowByteCount(layer)
          + sharedCount * geometry.sharedReplyRowByteCount,
        sentAt: now, entryCount: cost.entryCount,
        end: end + path.backSeconds + (isLate ? faults.lateSeconds : 0)))
  }

  // MARK: - In

  /// Takes in the replies that are here.
  private mutating func deliver() {
    for flight in flights where flight.end <= now {
      guard members.isHere(flight.worker) else { continue }
      if suspectUntil[flight.worker] != nil {
        suspectUntil[flight.worker] = nil
        routes.set(flight.worker, .live)
      }
      let layer = LayerIndex(flight.header.call.layer)
      let verdict = tracker.judge(
        flight.header, from: flight.worker, byteCount: flight.byteCount,
        rowByteCount: geometry.replyRowByteCount(layer))
      guard case .accept(let index) = verdict else { continue }
      times[flight.worker].record(.seconds(now - flight.sentAt), size: flight.entryCount)
      tracker.complete(index)
    }
    flights.removeAll { $0.end <= now }
  }

  // MARK: - Losses and changes

  /// Does what the call needs now.
  private mutating func act(_ random: inout SeededRandom) {
    while let action = tracker.nextAction(
      at: .seconds(now), routes, limit: Self.combineLimit, mayHedge: budget.allowsOne,
      mayBorrow: budget.lendsOne), !tracker.isHopeless
    {
      switch action {
      case .send(let groups, let worker): resend(groups, to: worker, &random)
      case .hedge(let groups, let worker, let late):
        suspect(late)
        tracker.hedged(groups, late: late)
        budget.spend()
        resend(groups, to: worker, &random)
      case .lose(let worker): lose(worker, "it has not answered in time", died: true)
      }
    }
  }

  private mutating func suspect(_ worker: Int) {
    guard suspectUntil[worker] == nil else { return }
    let late = tracker.sendings.first { $0.isOpen && $0.worker == worker }
    let usual = late.map { ($0.lateAt - $0.sentAt) / .seconds(1) } ?? 0
    suspectUntil[worker] = now + max(usual * 4, 2)
    routes.set(worker, .suspect)
  }

  private mutating func lose(_ worker: Int, _ reason: String, died: Bool) {
    guard routes.states[worker] != .lost else { return }
    routes.set(worker, .lost)
    suspectUntil[worker] = nil
    tracker.lose(worker, died: died)
    members.lose(worker, reason: reason, at: now)
  }

  /// Looks whether the connections of workers that are waited for still live.
  private mutating func look() {
    for worker in diesAt.indices
    where now >= diesAt[worker] + faults.detectionSeconds && tracker.isAwaiting(worker) {
      lose(worker, "its connection ended", died: true)
    }
  }

  /// Takes over what the control plane has decided; false when experts are missing for too long.
  private mutating func keepUp() -> Bool {
    for worker in diesAt.indices
    where now >= diesAt[worker] + faults.detectionSeconds && members.isHere(worker) {
      members.noteGone(worker, at: now)
    }
    members.advance(to: now)
    if members.version != version { refresh() }
    for worker in suspectUntil.indices {
      if let limit = suspectUntil[worker], now > limit {
        lose(worker, "it has not answered for too long", died: true)
      }
    }
    guard routes.gapCount > 0 else {
      gapSince = nil
      return true
    }
    let since = gapSince ?? now
    gapSince = since
    return now - since <= faults.recoverySeconds
  }

  private mutating func refresh() {
    version = members.version
    let expert =
      Double(geometry.routedByteCount)
      / Double(max(geometry.moeLayers.count * geometry.expertCount, 1))
    routes.replace(
      holders: members.holders, linkCount: diesAt.count,
      secondsPerUse: steps.workerSpeeds.map { expert / $0 })
    for worker in diesAt.indices where !members.isHere(worker) && routes.states[worker] != .lost {
      routes.set(worker, .lost)
      tracker.lose(worker, died: false)
    }
  }
}
