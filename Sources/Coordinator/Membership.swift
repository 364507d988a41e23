package import Experts
package import Messages
package import ModelFiles
package import Placement

/// Who belongs to the cluster and how far each worker is: messages and time in, actions out.
///
/// Holds no clock and no socket.
package struct Membership {
  /// What a worker must fulfil and is told.
  package struct Rules {
    package var expectedWorkers: Int
    package var model: ModelDigest
    package var numericsProfile: String
    package var geometry: ExpertGeometry?
    package var dataPort: Int
    package var progressInterval: Duration
    package var silenceLimit: Duration
    /// Workers that shall hold each group.
    package var replicas: Int
    /// Larger than that of earlier coordinators, if clocks are right; workers correct it.
    package var term: UInt64 = 0
    /// No coordinator can have a later term yet.
    package var latestTerm: UInt64 = .max
    /// Recorded tokens for which groups are placed; nil: all experts count alike.
    package var routingTrace: RoutingTrace?
    /// How often groups may be placed anew for recent tokens; nil: never.
    package var rebalanceInterval: Duration?

    package init(
      expectedWorkers: Int, model: ModelDigest, numericsProfile: String,
      geometry: ExpertGeometry?, dataPort: Int, progressInterval: Duration, silenceLimit: Duration,
      replicas: Int = 1
    ) {
      self.expectedWorkers = expectedWorkers
      self.model = model
      self.numericsProfile = numericsProfile
      self.geometry = geometry
      self.dataPort = dataPort
      self.progressInterval = progressInterval
      self.silenceLimit = silenceLimit
      self.replicas = replicas
    }
  }

  /// How far the cluster is.
  package enum Phase: Equatable {
    case gathering
    case loading
    case serving
    case failed(ClusterError)
  }

  /// What the caller has to do.
  package enum Action: Equatable {
    case send(ControlMessage.Body, to: Incarnation)
    case note(String)
  }

  /// One worker of the cluster.
  package struct Member: Equatable {
    package let id: WorkerID
    package let incarnation: Incarnation
    package let hello: Hello
    package internal(set) var lastHeard: Duration
    /// Since when it reports an older placement than it was assigned; nil while it does not.
    var outdatedSince: Duration?
    /// Since when its connection is gone; nil while it is there.
    var goneSince: Duration?
    /// What it shall hold, ascending.
    package internal(set) var units: [PlacementUnit] = []
    /// What it has said that it holds.
    package internal(set) var loaded: Set<PlacementUnit> = []
    /// The epoch of its first assignment.
    package internal(set) var epoch = Epoch(rawValue: 0)
    /// The epoch of its last assignment.
    var assignedEpoch = Epoch(rawValue: 0)
    package internal(set) var progress: Progress?
    package internal(set) var isReady = false
    /// Whether it is to go as soon as others hold what it holds.
    package internal(set) var isDraining = false
    /// How much it had loaded when that was last seen to grow; nil while there is nothing to load.
    var lastGain: Gain?
    /// How far into each group it has asked for bytes since a group was last loaded.
    var requested: [PlacementUnit: Int] = [:]
    /// Whether it does not get on with loading what it shall hold.
    package internal(set) var isStalled = false
    /// Whether it has come while others had all the work.
    var wantsWork = false
    package internal(set) var lostReason: String?

    /// Whether it takes new groups.
    var isAvailable: Bool { lostReason == nil && !isDraining }

    /// A number of loaded groups, and when it was reached, or bytes of the next one came.
    struct Gain: Equatable {
      let loadedGroups: Int
      var at: Duration
    }

    /// What lines for people call the worker.
    package var label: String { "\(id) (\(hello.name))" }
  }

  package internal(set) var rules: Rules {
    didSet { loadLimit = Self.loadLimit(rules.geometry) }
  }
  package internal(set) var phase = Phase.gathering
  package internal(set) var members: [Member] = []
  /// Who shall hold what.
  package internal(set) var plan: PlacementPlan?
  package internal(set) var epoch = Epoch(rawValue: 0)
  /// Grows whenever `roster` changes.
  package internal(set) var rosterVersion: UInt64 = 0
  private var joinedCount: UInt32 = 0
  var lastTick: Duration?
  var listeningSince = Duration.zero
  var history = MemberHistory()
  /// A change of places under way.
  package internal(set) var retuning: Retuning?

  /// How long a worker may take for a group; it takes a walk over the geometry to know.
  private(set) var loadLimit: Duration
  private var term: UInt64

  package init(_ rules: Rules) {
    self.rules = rules
    loadLimit = Self.loadLimit(rules.geometry)
    term = rules.term
  }

  /// The epoch of the first placement.
  var firstEpoch: Epoch { .first(ofTerm: term) }

  /// The member of that incarnation, unless it is lost.
  package func member(_ incarnation: Incarnation) -> Member? {
    members.first { $0.incarnation == incarnation && $0.lostReason == nil }
  }

  /// What a worker is told that is no member, or not any more.
  static let unknownWorker = Refusal(
    .unknown, "this coordinator does not know that worker; it joins again")

  /// What a worker is told that names an epoch from the future.
  static let impossibleEpoch = Refusal(
    .full,
    "the worker names a coordinator that cannot be there yet; look at this machine's clock, and start the "
      + "worker again")

  // MARK: - Messages

  /// Takes in a message of a worker, which knows the placement of `epoch`; nil is the newest.
  ///
  /// A hello comes with the highest epoch that the worker has followed under any coordinator.
  package mutating func handle(
    _ body: ControlMessage.Body, from incarnation: Incarnation, of epoch: Epoch? = nil,
    at time: Duration
  ) -> [Action] {
    guard let index = members.firstIndex(where: { $0.incarnation == incarnation }),
      members[index].lostReason == nil
    else {
      guard case .hello(let hello) = body else {
        return [.send(.refusal(Self.unknownWorker), to: incarnation)]
      }
      if let epoch, epoch.rawValue > 0 {
        guard phase == .gathering || epoch.term <= term else {
          return isPossible(epoch)
            ? fence(incarnation) : [.send(.refusal(Self.impossibleEpoch), to: incarnation)]
        }
        if phase == .gathering, epoch.term >= term { term = epoch.term + 1 }
      }
      return join(hello, incarnation, at: time)
    }
    members[index].lastHeard = time
    switch body {
    case .hello: return [.send(.welcome(welcome(members[index])), to: incarnation)]
    case .progress(let progress):
      members[index].progress = progress
      let repaired = makeUp(index, progress, of: epoch ?? self.epoch, at: time)
      let isLeaving = progress.state == .draining && members[index].isAvailable
      return [.send(.progressAck(counter: progress.counter), to: incarnation)]
        + repaired + (isLeaving ? drain(index) : [])
    case .ready(let ready):
      return handle(ready, index, of: epoch ?? self.epoch) + settle(at: time)
    case .refusal(let refusal): return handle(refusal, index, at: time)
    default: return []
    }
  }

  private mutating func join(
    _ hello: Hello, _ incarnation: Incarnation, at time: Duration
  ) -> [Action] {
    if let refusal = refusal(of: hello, at: time) {
      let answer = Action.send(.refusal(refusal), to: incarnation)
      let isMentioned = history.mentions(refusal.reason, of: hello.name, at: time)
      return isMentioned ? [answer, .note("Refused \(hello.name): \(refusal.text)")] : [answer]
    }
    let member = Member(
      id: WorkerID(joinedCount), incarnation: incarnation, hello: hello, lastHeard: time)
    joinedCount += 1
    members.append(member)
    let welcomed = Action.send(.welcome(welcome(member)), to: incarnation)
    guard phase == .gathering else {
      return [welcomed, .note("\(member.label) joined")] + employ(members.count - 1)
    }
    let count = "\(members.count) of \(rules.expectedWorkers)"
    return [welcomed, .note("\(member.label) joined, \(count)")]
      + (members.count == rules.expectedWorkers ? assign() : [])
  }

  /// Whether there may be a coordinator of that epoch: a worker whose memory is damaged, or that lies,
  /// must not end this one.
  private func isPossible(_ epoch: Epoch) -> Bool {
    epoch.term <= max(rules.latestTerm, term + CoordinatorTerm.tolerance)
  }

  /// A worker has followed a newer coordinator: this one is not to decide anything any more.
  private mutating func fence(_ incarnation: Incarnation) -> [Action] {
    phase = .failed(.fenced)
    let refusal = Refusal(.full, ClusterError.fenced.description)
    return [.send(.refusal(refusal), to: incarnation), .note(ClusterError.fenced.description)]
  }

  private func refusal(of hello: Hello, at time: Duration) -> Refusal? {
    if hello.numericsProfile != rules.numericsProfile {
      return Refusal(
        .numerics,
        "the worker computes by numerics profile \(hello.numericsProfile), the coordinator by "
          + "\(rules.numericsProfile); run the same release of conclave on every machine")
    }
    if let digest = hello.modelDigest, digest != rules.model, rules.geometry != nil {
      return Refusal(
        .model,
        "the worker's model file has digest \(digest.brief), the coordinator's "
          + "\(rules.model.brief); give the worker the same file, or start it without --model")
    }
    switch phase {
    case .gathering: return nil
    case .loading, .failed:
      return Refusal(.full, "the cluster is loading for its \(rules.expectedWorkers) workers")
    case .serving:
      // Who only comes and goes is welcome when nobody else holds what is needed.
      return history.pause(of: hello.name, at: time, isUrgent: !isWhole).map { pause in
        let seconds = Int((pause.time / .seconds(1)).rounded(.up))
        return Refusal(
          .full, "this worker may join again in \(seconds) s, because \(pause.reason)")
      }
    }
  }

  private func welcome(_ member: Member) -> Welcome {
    Welcome(
      worker: member.id, dataPort: rules.dataPort, modelDigest: rules.model,
      geometry: rules.geometry,
      progressMilliseconds: rules.progressInterval.wholeMilliseconds,
      silenceMilliseconds: rules.silenceLimit.wholeMilliseconds)
  }
}

extension Membership.Member {
  /// The worker as placement sees it, under a number of its own.
  func capacity(as worker: WorkerID) -> WorkerCapacity { hello.capacity(as: worker) }
}

extension Hello {
  /// The worker as placement sees it, under a number of its own.
  func capacity(as worker: WorkerID) -> WorkerCapacity {
    // A worker that did not measure counts by its cores.
    let speed = memoryBandwidth > 0 ? Double(memoryBandwidth) : Double(cores) * 1e9
    return WorkerCapacity(worker: worker, memoryByteCount: memoryBudget, bytesPerSecond: speed)
  }
}

extension ModelDigest {
  /// The first 12 digits, enough for people.
  var brief: String { String(description.prefix(12)) }
}

extension Duration {
  /// Milliseconds, rounded down.
  var wholeMilliseconds: Int {
    let (seconds, attoseconds) = components
    return Int(seconds) * 1_000 + Int(attoseconds / 1_000_000_000_000_000)
  }
}
