import Coordinator
import Experts
import Messages
import ModelFiles
import Placement
import Testing

@Suite struct MembershipTests {
  private let model: TestModel
  private var membership: Membership
  private let first = Incarnation.random()
  private let second = Incarnation.random()
  private let third = Incarnation.random()

  init() throws {
    model = try TestModel(TestModel.floats)
    membership = Membership(
      Membership.Rules(
        expectedWorkers: 2, model: model.archive.digest, numericsProfile: "p",
        geometry: model.geometry, dataPort: 1, progressInterval: .milliseconds(500),
        silenceLimit: .seconds(10)))
  }

  private func hello(_ name: String) -> ControlMessage.Body {
    .hello(
      Hello(
        name: name, memoryBudget: 1 << 30, cores: 1, instructionSet: "scalar",
        memoryBandwidth: 0, numericsProfile: "p", modelDigest: nil, software: "test"))
  }

  private let progress = Progress(
    state: .loading, counter: 5, busyNanoseconds: 0, loadedGroups: 1, assignedGroups: 2,
    residentBytes: 3)

  /// What is sent to whom.
  private func sent(_ actions: [Membership.Action]) -> [(ControlMessage.Body, Incarnation)] {
    actions.compactMap { action in
      if case .send(let body, let incarnation) = action { (body, incarnation) } else { nil }
    }
  }

  private mutating func join() {
    _ = membership.handle(hello("a"), from: first, at: .zero)
    _ = membership.handle(hello("b"), from: second, at: .zero)
  }

  private mutating func load() {
    join()
    for member in membership.members {
      let ready = Ready(residentBytes: 1, loadedGroups: member.units.count)
      _ = membership.handle(.ready(ready), from: member.incarnation, at: .zero)
    }
  }

  @Test mutating func `the last to join brings everyone an assignment of everything`() {
    let one = sent(membership.handle(hello("a"), from: first, at: .zero))
    #expect(one.count == 1 && membership.phase == .gathering)
    let two = sent(membership.handle(hello("b"), from: second, at: .zero))
    #expect(two.map(\.1) == [second, first, second] && membership.phase == .loading)
    var units: Set<PlacementUnit> = []
    for case (.assignment(let assignment), _) in two {
      #expect(assignment.origin == .transfer)
      units.formUnion(assignment.units)
    }
    #expect(units == Set(PlacementPlan(epoch: 0, geometry: model.geometry).units))
    #expect(membership.epoch == Epoch(rawValue: 1))
  }

  @Test mutating func `a repeated hello is welcomed again and counts once`() {
    _ = membership.handle(hello("a"), from: first, at: .zero)
    let again = sent(membership.handle(hello("a"), from: first, at: .zero))
    #expect(again.count == 1 && membership.members.count == 1)
  }

  @Test mutating func `everyone ready means serving, and a third worker shares the work`() throws {
    load()
    #expect(membership.phase == .serving)
    let actions = sent(membership.handle(hello("c"), from: third, at: .zero))
    guard case .assignment(let assignment)? = actions.last?.0 else {
      Issue.record("not employed: \(actions)")
      return
    }
    #expect(actions.allSatisfy { $0.1 == third })
    let all = membership.plan?.units.count ?? 0
    #expect(!assignment.units.isEmpty && assignment.units.count < all / 2)
    // Until it has loaded them, the others answer.
    #expect(membership.roster.holders.allSatisfy { !$0.contains(WorkerID(2)) })
    let ready = Ready(residentBytes: 1, loadedGroups: assignment.units.count)
    _ = membership.handle(.ready(ready), from: third, at: .zero)
    let first = membership.roster.holders.count { $0.first == WorkerID(2) }
    #expect(first == assignment.units.count)
  }

  @Test mutating func `a worker that joins while others load waits`() {
    join()
    let actions = sent(membership.handle(hello("c"), from: third, at: .zero))
    guard case .refusal(let refusal)? = actions.first?.0 else {
      Issue.record("not refused")
      return
    }
    #expect(refusal.isTemporary)
    #expect(membership.members.count == 2)
  }

  @Test mutating func `ready with the wrong number of groups is not ready`() {
    join()
    _ = membership.handle(
      .ready(Ready(residentBytes: 0, loadedGroups: 0)), from: first, at: .zero)
    #expect(!membership.members[0].isReady)
  }

  @Test mutating func `progress is acknowledged and kept`() {
    join()
    let actions = membership.handle(.progress(progress), from: first, at: .seconds(1))
    #expect(actions == [.send(.progressAck(counter: 5), to: first)])
    #expect(membership.members[0].progress == progress)
  }

  @Test mutating func `an incarnation that nobody knows is told to join anew`() {
    let actions = sent(membership.handle(.progress(progress), from: third, at: .zero))
    guard case .refusal(let refusal)? = actions.first?.0 else {
      Issue.record("not refused")
      return
    }
    #expect(refusal.reason == .unknown)
  }

  @Test mutating func `silence while gathering frees the place`() {
    _ = membership.handle(hello("a"), from: first, at: .zero)
    #expect(membership.tick(at: .seconds(10)).isEmpty)
    #expect(
      membership.tick(at: .seconds(11))
        == [.note("Lost worker 0 (a): it has been silent for 11000 ms")])
    #expect(membership.members.isEmpty && membership.phase == .gathering)
    join()
    #expect(membership.members.map(\.id) == [WorkerID(1), WorkerID(2)])
  }

  @Test mutating func `silence while loading fails the cluster`() {
    join()
    _ = membership.handle(.progress(progress), from: first, at: .seconds(9))
    _ = membership.tick(at: .seconds(12))
    #expect(membership.members[1].lostReason == "it has been silent for 12000 ms")
    #expect(
      membership.phase
        == .failed(
          .lostWhileLoading(
            worker: "worker 1 (b)", reason: "it has been silent for 12000 ms")))
  }

  @Test mutating func `silence while serving loses that worker once, and others take over`() {
    load()
    _ = membership.handle(.progress(progress), from: second, at: .seconds(9))
    let actions = sent(membership.tick(at: .seconds(12)))
    #expect(actions.map(\.1) == [first, second])
    guard case .assignment(let assignment)? = actions.last?.0 else {
      Issue.record("nobody took over: \(actions)")
      return
    }
    #expect(assignment.units.count == membership.plan?.units.count)
    _ = membership.handle(.progress(progress), from: second, at: .milliseconds(12_500))
    #expect(membership.tick(at: .seconds(13)).isEmpty)
    #expect(membership.phase == .serving)
    #expect(membership.member(first) == nil && membership.member(second) != nil)
    #expect(membership.roster.holders.contains { $0.isEmpty })
    let ready = Ready(residentBytes: 1, loadedGroups: assignment.units.count)
    _ = membership.handle(.ready(ready), from: second, at: .seconds(12))
    #expect(membership.roster.holders.allSatisfy { $0 == [WorkerID(1)] })
  }

  @Test mutating func `who gathers workers decides above everything that they followed before`() {
    let seen = Epoch.first(ofTerm: 41)
    _ = membership.handle(hello("a"), from: first, of: seen, at: .zero)
    _ = membership.handle(hello("b"), from: second, at: .zero)
    #expect(membership.phase == .loading && membership.epoch == Epoch.first(ofTerm: 42))
  }

  @Test mutating func `a worker that comes from a newer coordinator fences the old one`() {
    load()
    let stale = Epoch.first(ofTerm: 0)
    #expect(sent(membership.handle(hello("c"), from: third, of: stale, at: .zero)).count > 0)
    #expect(membership.phase == .serving)
    let newer = Epoch.first(ofTerm: 7)
    let actions = sent(membership.handle(hello("d"), from: .random(), of: newer, at: .zero))
    guard case .refusal(let refusal)? = actions.first?.0 else {
      Issue.record("not refused: \(actions)")
      return
    }
    #expect(refusal.isTemporary)
    #expect(membership.phase == .failed(.fenced))
  }

  @Test mutating func `an epoch that no coordinator can have yet fences nobody`() {
    var rules = membership.rules
    rules.latestTerm = 1_000
    membership = Membership(rules)
    load()
    let impossible = Epoch.first(ofTerm: .max)
    let actions = sent(membership.handle(hello("d"), from: third, of: impossible, at: .zero))
    guard case .refusal(let refusal)? = actions.first?.0 else {
      Issue.record("not refused: \(actions)")
      return
    }
    #expect(refusal.isTemporary && refusal.text.contains("cannot be there yet"))
    #expect(membership.phase == .serving && membership.member(third) == nil)
  }

  /// An assignment, or the word that it is loaded, that went down with a connection was never sent
  /// again: what it was about had no holder from then on.
  @Test mutating func `messages that were lost are made up for`() {
    join()
    let old = Epoch(rawValue: 0)
    func report(_ state: Progress.State, _ count: Int) -> ControlMessage.Body {
      .progress(
        Progress(
          state: state, counter: 1, busyNanoseconds: 0, loadedGroups: count,
          assignedGroups: count, residentBytes: 3))
    }
    _ = membership.handle(report(.waiting, 0), from: first, of: old, at: .seconds(1))
    let early = sent(membership.handle(report(.waiting, 0), from: first, of: old, at: .seconds(1)))
    #expect(early.count == 1)
    let late = sent(membership.handle(report(.waiting, 0), from: first, of: old, at: .seconds(3)))
    #expect(late.contains { if case .assignment = $0.0 { true } else { false } })
    // Nor does the newest epoch prove that it has come, which may be that of another message.
    let newest = membership.epoch
    _ = membership.handle(report(.waiting, 0), from: second, of: newest, at: .seconds(1))
    let other = sent(
      membership.handle(report(.waiting, 0), from: second, of: newest, at: .seconds(3)))
    #expect(other.contains { if case .assignment = $0.0 { true } else { false } })
    for member in membership.members {
      _ = membership.handle(
        report(.serving, member.units.count), from: member.incarnation, of: membership.epoch,
        at: .seconds(4))
    }
    #expect(membership.phase == .serving)
  }

  /// A worker that died before anybody asked it for anything was found by its silence only, after 10 s,
  /// and calls waited for what it was to load.
  @Test mutating func `a connection that does not come back loses its worker`() {
    load()
    #expect(membership.note(first, isConnected: false, at: .seconds(1)).isEmpty)
    #expect(membership.note(first, isConnected: true, at: .milliseconds(1_200)).isEmpty)
    #expect(membership.note(first, isConnected: false, at: .milliseconds(1_400)).isEmpty)
    #expect(membership.note(first, isConnected: false, at: .milliseconds(1_600)).isEmpty)
    #expect(sent(membership.note(first, isConnected: false, at: .milliseconds(1_700))).count == 2)
    #expect(membership.member(first) == nil && membership.member(second) != nil)
  }

  @Test mutating func `while something is missing nobody is waited for who is silent`() {
    load()
    _ = membership.tick(at: .seconds(1))
    _ = membership.lose(WorkerID(0), reason: "gone", suspendedFor: nil, at: .seconds(1))
    var lost: Duration?
    for tick in 0..<100 where lost == nil {
      let time = Duration.seconds(1) + .milliseconds(20 * tick)
      if !membership.tick(at: time).isEmpty { lost = time }
    }
    #expect(lost == .milliseconds(1_520))
  }

  @Test mutating func `a coordinator that was held up does not take others for silent`() {
    load()
    _ = membership.tick(at: .seconds(1))
    #expect(membership.tick(at: .seconds(60)).isEmpty)
    #expect(membership.tick(at: .milliseconds(60_020)).isEmpty)
    #expect(membership.member(first) != nil && membership.member(second) != nil)
  }

  /// Lost workers stay in tables for a while, the last few of them.
  @Test mutating func `lost workers do not accumulate`() {
    load()
    for round in 1...200 {
      let incarnation = Incarnation.random()
      _ = membership.handle(hello("w\(round)"), from: incarnation, at: .seconds(round))
      if let id = membership.member(incarnation)?.id {
        _ = membership.lose(id, reason: "gone", suspendedFor: nil, at: .seconds(round))
      }
    }
    #expect(membership.members.count <= 11)
  }

  /// A worker that was to load a lost group and whose transfer stood still held that group up for as long
  /// as it reported that it lives: 32 s in a storm, until that ended its process.
  @Test mutating func `who does not get on with loading what nobody holds is helped out`() throws {
    let stuck = try loseOneOfThree()
    let plan = try #require(membership.plan)
    let missing = stuck.units.filter { !stuck.loaded.contains($0) }
    #expect(missing.allSatisfy { plan[$0.layer, $0.group].last == stuck.id })
    var other: Incarnation?
    var time = Duration.seconds(1)
    while other == nil, time < .seconds(9) {
      time += .milliseconds(100)
      for member in membership.members where member.lostReason == nil {
        let loaded = member.loaded.count
        let report = Progress(
          state: .loading, counter: 9, busyNanoseconds: 0, loadedGroups: loaded,
          assignedGroups: member.units.count, residentBytes: 3)
        _ = membership.handle(.progress(report), from: member.incarnation, at: time)
      }
      other = sent(membership.tick(at: time)).first?.1
    }
    #expect(time > .seconds(3) && other != nil && other != stuck.incarnation)
    let after = try #require(membership.plan)
    #expect(missing.allSatisfy { after[$0.layer, $0.group].contains(stuck.id) })
    #expect(missing.allSatisfy { after[$0.layer, $0.group].count >= 2 })
    // Nobody is asked again and again.
    #expect(sent(membership.tick(at: time + .seconds(1))).isEmpty)
  }

  /// Three workers have loaded, the first is lost at 1 s; who shall load what it held.
  private mutating func loseOneOfThree() throws -> Membership.Member {
    load()
    _ = membership.handle(hello("c"), from: third, at: .zero)
    let ready = Ready(residentBytes: 1, loadedGroups: membership.members[2].units.count)
    _ = membership.handle(.ready(ready), from: third, at: .zero)
    _ = membership.lose(WorkerID(0), reason: "gone", suspendedFor: nil, at: .seconds(1))
    return try #require(
      membership.members.first { $0.lostReason == nil && !$0.loaded.isSuperset(of: $0.units) })
  }

  /// Many workers that load by one link take longer for a group than one does; each new request shows
  /// that bytes have come.
  @Test mutating func `who is sent bytes slowly gets on`() throws {
    let slow = try loseOneOfThree()
    let unit = try #require(slow.units.first { !slow.loaded.contains($0) })
    var time = Duration.seconds(1)
    for step in 0..<100 {
      time += .milliseconds(100)
      for member in membership.members where member.lostReason == nil {
        _ = membership.handle(.progress(progress), from: member.incarnation, at: time)
      }
      let request = ChunkRequest(unit: unit, offset: step, count: 1)
      membership.note(request, from: slow.incarnation, at: time)
      #expect(sent(membership.tick(at: time)).isEmpty)
    }
    // To ask for the last bytes again and again is to stand still.
    var helped = false
    for _ in 0..<90 where !helped {
      time += .milliseconds(100)
      for member in membership.members where member.lostReason == nil {
        _ = membership.handle(.progress(progress), from: member.incarnation, at: time)
      }
      let request = ChunkRequest(unit: unit, offset: 99, count: 1)
      membership.note(request, from: slow.incarnation, at: time)
      helped = !sent(membership.tick(at: time)).isEmpty
    }
    #expect(helped)
  }

  @Test mutating func `a worker that returns gets what it had`() throws {
    load()
    let before = membership.members[0].units
    _ = membership.lose(WorkerID(0), reason: "gone", suspendedFor: nil, at: .seconds(1))
    let actions = sent(membership.handle(hello("a"), from: third, at: .seconds(2)))
    guard case .assignment(let assignment)? = actions.last?.0 else {
      Issue.record("not employed: \(actions)")
      return
    }
    #expect(assignment.units == before)
  }

  @Test mutating func `who is lost again and again has to wait before it may join`() {
    load()
    var paused: Duration?
    for round in 1...8 where paused == nil {
      let time = Duration.seconds(round)
      let incarnation = Incarnation.random()
      let actions = sent(membership.handle(hello("flapping"), from: incarnation, at: time))
      if case .refusal(let refusal)? = actions.first?.0 {
        #expect(refusal.isTemporary)
        paused = time
      } else if let id = membership.member(incarnation)?.id {
        _ = membership.lose(id, reason: "gone", suspendedFor: nil, at: time)
      }
    }
    #expect(paused == .seconds(6))
    // Not when it is the only one that could hold something.
    var needing = membership
    for id in [WorkerID(0), WorkerID(1)] {
      _ = needing.lose(id, reason: "gone", suspendedFor: nil, at: .seconds(6))
    }
    let needed = sent(needing.handle(hello("flapping"), from: third, at: .seconds(6)))
    guard case .welcome? = needed.first?.0, case .assignment(let all)? = needed.last?.0 else {
      Issue.record("not welcomed: \(needed)")
      return
    }
    #expect(all.units.count == needing.plan?.units.count)
    let later = membership.handle(hello("flapping"), from: .random(), at: .seconds(60))
    #expect(membership.member(third) == nil && !later.isEmpty)
  }

  @Test mutating func `garbage suspends its sender, unless it is needed`() {
    load()
    _ = membership.lose(WorkerID(0), reason: "garbage", suspendedFor: .seconds(5), at: .seconds(1))
    let needed = sent(membership.handle(hello("a"), from: .random(), at: .seconds(1)))
    guard case .welcome? = needed.first?.0 else {
      Issue.record("not welcomed")
      return
    }
    _ = membership.lose(WorkerID(2), reason: "garbage", suspendedFor: .seconds(5), at: .seconds(1))
    let ready = Ready(residentBytes: 1, loadedGroups: membership.plan?.units.count ?? 0)
    _ = membership.handle(.ready(ready), from: second, at: .seconds(1))
    let actions = membership.handle(hello("a"), from: third, at: .seconds(2))
    let text = "this worker may join again in 4 s, because garbage"
    #expect(sent(actions).map(\.0) == [.refusal(Refusal(.full, text))])
    #expect(actions.count == 2, "the log is told")
    let again = membership.handle(hello("a"), from: third, at: .seconds(3))
    #expect(again.count == 1, "and not for each time that it asks")
    let late = sent(membership.handle(hello("a"), from: third, at: .seconds(7)))
    guard case .welcome? = late.first?.0 else {
      Issue.record("not welcomed")
      return
    }
  }

  @Test mutating func `a draining worker goes when others have loaded what it holds`() {
    load()
    let actions = sent(membership.drain(WorkerID(0)))
    #expect(actions.map(\.1) == [second])
    #expect(membership.roster.holders.allSatisfy { !$0.isEmpty })
    let ready = Ready(residentBytes: 1, loadedGroups: membership.plan?.units.count ?? 0)
    let end = sent(membership.handle(.ready(ready), from: second, at: .zero))
    guard case .drain? = end.last?.0 else {
      Issue.record("not let go: \(end)")
      return
    }
    #expect(end.last?.1 == first && membership.member(first) == nil)
    #expect(membership.roster.holders.allSatisfy { $0 == [WorkerID(1)] })
  }

  @Test mutating func `a worker that cannot load fails the cluster with its reason`() {
    join()
    _ = membership.handle(.refusal(Refusal(.load, "disk error")), from: first, at: .zero)
    #expect(membership.phase == .failed(.loadFailed(worker: "worker 0 (a)", reason: "disk error")))
  }
}
