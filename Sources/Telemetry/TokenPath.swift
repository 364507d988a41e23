/// A part of the time of a step, as the trace tells them apart.
public enum PathPart: Int, CaseIterable, Sendable {
  /// Everything but routed experts: attention, norms, router, head.
  case trunk
  /// Shared experts, as far as nothing was waited for meanwhile.
  case shared
  /// Cutting the batch into shares and writing messages.
  case serialise
  /// From our socket until the worker took the message from its own.
  case out
  /// At the worker until computation began.
  case queue
  /// The worker's computation.
  case compute
  /// From the end of the computation until the reply was taken from our socket.
  case back
  /// From the last reply until the sums were added.
  case sum

  /// What people read.
  public var text: String {
    switch self {
    case .trunk: "trunk"
    case .shared: "shared experts"
    case .serialise: "serialise"
    case .out: "out"
    case .queue: "queue"
    case .compute: "compute"
    case .back: "back"
    case .sum: "sum"
    }
  }
}

/// Nanoseconds by part.
public struct PartTimes: Sendable, Equatable {
  private var times = [UInt64](repeating: 0, count: PathPart.allCases.count)

  /// Nothing yet.
  public init() {}

  /// The nanoseconds of a part.
  public subscript(_ part: PathPart) -> UInt64 {
    get { times[part.rawValue] }
    set { times[part.rawValue] = newValue }
  }

  /// All parts together.
  public var total: UInt64 { times.reduce(0, +) }

  /// The part that takes most.
  public var largest: PathPart { PathPart.allCases.max { self[$0] < self[$1] } ?? .trunk }

  /// Adds part by part.
  public static func += (left: inout PartTimes, right: PartTimes) {
    for part in PathPart.allCases { left[part] &+= right[part] }
  }
}

/// One worker's share of one call, with its times on our clock, in order.
public struct ShareTimes: Sendable, Equatable {
  /// Index of the worker's link.
  public let worker: Int
  /// Layer of the experts.
  public let layer: Int
  /// Boundaries: dispatch called, share sent, received, computation started, ended, reply here.
  public let boundaries: [UInt64]

  /// The parts between the boundaries.
  public static let parts: [PathPart] = [.serialise, .out, .queue, .compute, .back]

  /// How long each part took.
  public var times: PartTimes {
    var times = PartTimes()
    for (index, part) in Self.parts.enumerated() {
      times[part] = boundaries[index + 1] - boundaries[index]
    }
    return times
  }

  /// When the reply was here.
  public var arrivedAt: UInt64 { boundaries[5] }

  /// Puts the worker's times on our clock.
  ///
  /// The network's time, both ways together, and the worker's parts are exact whatever the clocks
  /// say; only the boundary between `out` and `back` is as exact as the offset. A message that came
  /// while the worker was busy with another one has waited there, not on the link: the link took
  /// `leastOut`, what it took at least elsewhere.
  ///
  /// - Parameters:
  ///   - share: What was recorded.
  ///   - call: The call that it belongs to.
  ///   - clock: The worker's clock; nil halves the network's time.
  ///   - busyUntil: When the worker had answered what it was asked before, by its clock.
  ///   - leastOut: Nanoseconds that a message takes at least.
  public init(
    _ share: ShareRecord, of call: CallRecord, clock: ClockMap?, busyUntil: UInt64 = 0,
    leastOut: UInt64 = .max
  ) {
    worker = share.worker
    layer = call.layer
    let sent = max(share.sentAt, call.dispatchedAt)
    let arrived = max(share.arrivedAt, sent)
    let atWorker = min(share.repliedAt &- share.receivedAt, arrived - sent)
    let network = arrived - sent - atWorker
    var out = network / 2
    if let clock {
      let received = clock.toOurs(share.receivedAt)
      out = received > sent ? min(received - sent, network) : 0
    }
    var waited: UInt64 = 0
    if busyUntil > 0, out > leastOut {
      let busy = busyUntil < share.receivedAt ? share.receivedAt - busyUntil : 0
      // What of `out` lies before the worker became free and after the message can have been there.
      waited = out - leastOut > busy ? out - leastOut - busy : 0
    }
    let received = sent + out - waited
    let started = sent + out + min(share.computeStartedAt &- share.receivedAt, atWorker)
    let ended =
      started
      + min(
        share.computeEndedAt &- share.computeStartedAt, sent + out + atWorker - started)
    boundaries = [call.dispatchedAt, sent, received, started, ended, arrived]
  }
}

/// What one step waited for, from its beginning to its end.
public struct TokenPath: Sendable {
  /// One layer's stretch of the path.
  public struct Stretch: Sendable {
    /// The layer.
    public let layer: Int
    /// The worker that was waited for; nil when shared experts took longer.
    public let worker: Int?
    /// Where the time went, trunk included.
    public let times: PartTimes
  }

  /// A call, from dispatch to the end of combine.
  public struct CallSpan: Sendable {
    /// The layer.
    public let layer: Int
    /// When dispatch was called.
    public let from: UInt64
    /// When combine returned.
    public let to: UInt64
  }

  /// Something that the coordinator did itself.
  public struct OwnSpan: Sendable {
    /// What it was.
    public let part: PathPart
    /// When it began.
    public let from: UInt64
    /// When it ended.
    public let to: UInt64
  }

  /// What the step was for.
  public let kind: StepKind
  /// When it began, in nanoseconds of our clock, as all times here.
  public let startedAt: UInt64
  /// Its calls, in order.
  public let calls: [CallSpan]
  /// What the coordinator did itself, in order; it waits in between.
  public let ownSpans: [OwnSpan]
  /// From beginning to end, in nanoseconds.
  public let duration: UInt64
  /// The stretches, in order; what comes after the last layer's experts is in `tail`.
  public let stretches: [Stretch]
  /// After the last combine: the head.
  public let tail: UInt64
  /// The shares of each call.
  public let callShares: [[ShareTimes]]

  /// Every share of the step.
  public var shares: [ShareTimes] { callShares.flatMap { $0 } }

  /// The whole step, part by part; adds up to its duration.
  public var times: PartTimes {
    var sum = PartTimes()
    for stretch in stretches { sum += stretch.times }
    sum[.trunk] &+= tail
    return sum
  }

  /// Follows a step; `shares` are those of its calls, call by call.
  init(_ step: StepRecord, _ shares: [[ShareTimes]]) {
    kind = step.kind
    duration = step.endedAt - min(step.startedAt, step.endedAt)
    startedAt = step.startedAt
    calls = step.calls.map {
      CallSpan(layer: $0.layer, from: $0.dispatchedAt, to: max($0.combinedAt, $0.dispatchedAt))
    }
    ownSpans = Self.ownSpans(step, shares)
    callShares = shares
    var cursor = step.startedAt
    var stretches: [Stretch] = []
    for (call, shares) in zip(step.calls, shares) where call.combinedAt > 0 {
      stretches.append(Self.stretch(call, shares, &cursor))
    }
    self.stretches = stretches
    tail = step.endedAt > cursor ? step.endedAt - cursor : 0
  }

  private static func ownSpans(_ step: StepRecord, _ shares: [[ShareTimes]]) -> [OwnSpan] {
    var spans: [OwnSpan] = []
    var cursor = step.startedAt
    func add(_ part: PathPart, to time: UInt64) {
      guard time > cursor else { return }
      spans.append(OwnSpan(part: part, from: cursor, to: time))
      cursor = time
    }
    for (call, shares) in zip(step.calls, shares) where call.combinedAt > 0 {
      add(.trunk, to: call.dispatchedAt)
      add(.serialise, to: shares.map { $0.boundaries[1] }.max() ?? 0)
      add(.shared, to: call.combineStartedAt)
      cursor = max(cursor, shares.map(\.arrivedAt).max() ?? 0)
      add(.sum, to: call.combinedAt)
    }
    add(.trunk, to: step.endedAt)
    return spans
  }

  private static func stretch(
    _ call: CallRecord, _ shares: [ShareTimes], _ cursor: inout UInt64
  ) -> Stretch {
    var times = PartTimes()
    func advance(_ part: PathPart, to time: UInt64) {
      guard time > cursor else { return }
      times[part] += time - cursor
      cursor = time
    }
    advance(.trunk, to: call.dispatchedAt)
    let slowest = shares.max { $0.arrivedAt < $1.arrivedAt }
    guard let slowest, slowest.arrivedAt > call.combineStartedAt else {
      advance(.shared, to: call.combineStartedAt)
      advance(.sum, to: call.combinedAt)
      return Stretch(layer: call.layer, worker: nil, times: times)
    }
    for (index, part) in ShareTimes.parts.enumerated() {
      advance(part, to: slowest.boundaries[index + 1])
    }
    advance(.sum, to: call.combinedAt)
    return Stretch(layer: call.layer, worker: slowest.worker, times: times)
  }
}
