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

    package init(
      expectedWorkers: Int, model: ModelDigest, numericsProfile: String,
      geometry: ExpertGeometry?, dataPort: Int, progressInterval: Duration, silenceLimit: Duration
    ) {
      self.expectedWorkers = expectedWorkers
      self.model = model
      self.numericsProfile = numericsProfile
      self.geometry = geometry
      self.dataPort = dataPort
      self.progressInterval = progressInterval
      self.silenceLimit = silenceLimit
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
    case lost(WorkerID, reason: String)
  }

  /// One worker of the cluster.
  package struct Member: Equatable {
    package let id: WorkerID
    package let incarnation: Incarnation
    package let hello: Hello
    package fileprivate(set) var lastHeard: Duration
    package fileprivate(set) var units: [PlacementUnit] = []
    package fileprivate(set) var progress: Progress?
    package fileprivate(set) var isReady = false
    package fileprivate(set) var lostReason: String?

    /// What lines for people call the worker.
    package var label: String { "\(id) (\(hello.name))" }
  }

  package let rules: Rules
  package private(set) var phase = Phase.gathering
  package private(set) var members: [Member] = []
  package private(set) var plan: PlacementPlan?
  package private(set) var epoch = Epoch(rawValue: 0)
  private var joinedCount: UInt32 = 0

  package init(_ rules: Rules) { self.rules = rules }

  /// The member of that incarnation, unless it is lost.
  package func member(_ incarnation: Incarnation) -> Member? {
    members.first { $0.incarnation == incarnation && $0.lostReason == nil }
  }

  // MARK: - Messages

  /// Takes in a message of a worker.
  package mutating func handle(
    _ body: ControlMessage.Body, from incarnation: Incarnation, at time: Duration
  ) -> [Action] {
    guard let index = members.firstIndex(where: { $0.incarnation == incarnation }),
      members[index].lostReason == nil
    else {
      guard case .hello(let hello) = body else {
        let text = "this coordinator does not know that worker; it joins again"
        return [.send(.refusal(Refusal(.unknown, text)), to: incarnation)]
      }
      return join(hello, incarnation, at: time)
    }
    members[index].lastHeard = time
    switch body {
    case .hello: return [.send(.welcome(welcome(members[index])), to: incarnation)]
    case .progress(let progress):
      members[index].progress = progress
      return [.send(.progressAck(counter: progress.counter), to: incarnation)]
    case .ready(let ready): return handle(ready, index)
    case .refusal(let refusal): return handle(refusal, index)
    default: return []
    }
  }

  private mutating func join(
    _ hello: Hello, _ incarnation: Incarnation, at time: Duration
  ) -> [Action] {
    if let refusal = refusal(of: hello) {
      return [
        .send(.refusal(refusal), to: incarnation),
        .note("Refused \(hello.name): \(refusal.text)"),
      ]
    }
    let member = Member(
      id: WorkerID(joinedCount), incarnation: incarnation, hello: hello, lastHeard: time)
    joinedCount += 1
    members.append(member)
    let count = "\(members.count) of \(rules.expectedWorkers)"
    return [
      .send(.welcome(welcome(member)), to: incarnation),
      .note("\(member.label) joined, \(count)"),
    ] + (members.count == rules.expectedWorkers ? assign() : [])
  }

  private func refusal(of hello: Hello) -> Refusal? {
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
    if phase != .gathering {
      return Refusal(.full, "the cluster has its \(rules.expectedWorkers) workers")
    }
    return nil
  }

  private func welcome(_ member: Member) -> Welcome {
    Welcome(
      worker: member.id, dataPort: rules.dataPort, modelDigest: rules.model,
      geometry: rules.geometry,
      progressMilliseconds: rules.progressInterval.wholeMilliseconds,
      silenceMilliseconds: rules.silenceLimit.wholeMilliseconds)
  }

  // MARK: - Placement

  /// Everyone is here: decides who holds what.
  private mutating func assign() -> [Action] {
    epoch = Epoch(rawValue: 1)
    phase = .loading
    guard let geometry = rules.geometry else { return startIdle() }
    do throws(PlacementError) {
      let plan = try self.plan(geometry)
      self.plan = plan
      return assign(plan)
    } catch {
      phase = .failed(.placement(error.description))
      let refusal = ControlMessage.Body.refusal(Refusal(.memory, error.description))
      return members.map { .send(refusal, to: $0.incarnation) }
    }
  }

  /// A plan that depends on who is here but not on who came first: after a restart everybody gets
  /// what they still have in memory.
  private func plan(_ geometry: ExpertGeometry) throws(PlacementError) -> PlacementPlan {
    let ordered = members.sorted { ($0.hello.name, $0.id) < ($1.hello.name, $1.id) }
    let capacities = ordered.enumerated().map { rank, member in
      member.capacity(as: WorkerID(UInt32(rank)))
    }
    var plan = try PlacementPlan.balanced(geometry, over: capacities, epoch: epoch.rawValue)
    for unit in plan.units {
      plan[unit.layer, unit.group] = plan[unit.layer, unit.group].map {
        ordered[Int($0.rawValue)].id
      }
    }
    return plan
  }

  private mutating func assign(_ plan: PlacementPlan) -> [Action] {
    for index in members.indices {
      members[index].units = plan.units(of: members[index].id).sorted {
        ($0.layer, $0.group) < ($1.layer, $1.group)
      }
    }
    return members.map { member in
      let origin: Assignment.Origin = member.hello.modelDigest == nil ? .transfer : .ownFile
      let assignment = Assignment(origin: origin, units: member.units)
      return .send(.assignment(assignment), to: member.incarnation)
    }
  }

  /// A dense model: workers have nothing to hold, but their links can be measured.
  private mutating func startIdle() -> [Action] {
    let nothing = Assignment(origin: .transfer, units: [])
    return [.note("The model has no routed experts; the workers stay idle")]
      + members.map { .send(.assignment(nothing), to: $0.incarnation) }
  }

  private mutating func handle(_ ready: Ready, _ index: Int) -> [Action] {
    guard phase == .loading, ready.loadedGroups == members[index].units.count else { return [] }
    members[index].isReady = true
    members[index].progress?.residentBytes = ready.residentBytes
    members[index].progress?.loadedGroups = ready.loadedGroups
    if members.allSatisfy(\.isReady) { phase = .serving }
    return [
      .note(
        "\(members[index].label) holds \(ready.loadedGroups) expert groups, "
          + "\(ready.residentBytes >> 20) MiB")
    ]
  }

  // MARK: - Loss

  private mutating func handle(_ refusal: Refusal, _ index: Int) -> [Action] {
    let label = members[index].label
    if phase == .loading {
      phase = .failed(.loadFailed(worker: label, reason: refusal.text))
    }
    return lose(index, reason: refusal.text)
  }

  /// Finds workers that have been silent too long.
  package mutating func tick(at time: Duration) -> [Action] {
    var actions: [Action] = []
    for index in members.indices.reversed() where members[index].lostReason == nil {
      let silence = time - members[index].lastHeard
      guard silence > rules.silenceLimit else { continue }
      actions += lose(index, reason: "it has been silent for \(silence.wholeMilliseconds) ms")
    }
    return actions
  }

  private mutating func lose(_ index: Int, reason: String) -> [Action] {
    let member = members[index]
    let note = Action.note("Lost \(member.label): \(reason)")
    switch phase {
    case .gathering:
      members.remove(at: index)
      return [note]
    case .loading: phase = .failed(.lostWhileLoading(worker: member.label, reason: reason))
    case .serving, .failed: break
    }
    members[index].lostReason = reason
    return [note, .lost(member.id, reason: reason)]
  }
}

extension Membership.Member {
  /// The worker as placement sees it, under a number of its own.
  fileprivate func capacity(as worker: WorkerID) -> WorkerCapacity {
    // A worker that did not measure counts by its cores.
    let speed =
      hello.memoryBandwidth > 0 ? Double(hello.memoryBandwidth) : Double(hello.cores) * 1e9
    return WorkerCapacity(
      worker: worker, memoryByteCount: hello.memoryBudget, bytesPerSecond: speed)
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
