import Experts
import Logging
import Messages
import ModelFiles
import Placement
import Synchronization
import Telemetry
import Transport

/// The coordinator's control socket: carries out what `Membership` decides, and serves chunks.
///
/// Used by one thread at a time: by the one that waits for workers, later by a thread of its own.
final class ControlPlane: @unchecked Sendable {  // handed over once, by starting that thread
  private let router: RouterSocket
  private let codec = MessageCodec()
  private var source: (any ExpertSource)?
  private let health: ClusterHealth
  private let allowList: AllowList?
  private let watches: [ConnectionWatch]
  private var onFenced: (@Sendable () -> Void)?
  private let logger: Logger
  private(set) var membership: Membership
  private var peers: [Incarnation: RoutingID] = [:]
  private var message = Multipart()
  private var scratch: [UInt8] = []
  private var nextKeyCheck = Duration.zero
  private var nextRetuning: Duration?
  private var nextPing = Duration.zero

  init(
    _ router: RouterSocket, rules: Membership.Rules, source: (any ExpertSource)?,
    health: ClusterHealth, allowList: AllowList?, watches: [ConnectionWatch],
    onFenced: (@Sendable () -> Void)?, logger: Logger
  ) {
    self.router = router
    self.source = source
    self.health = health
    self.allowList = allowList
    self.watches = watches
    self.onFenced = onFenced
    self.logger = logger
    membership = Membership(rules)
  }

  var endpoint: String { router.endpoint }

  /// How far the peers are, as far as the kernel knows.
  var distance: ConnectionDistance? { router.watch.distance }

  /// Lets workers hold the experts of `catalog` instead; before any has been welcomed.
  func replace(_ catalog: ExpertCatalog) {
    source = catalog
    membership.rules.geometry = catalog.geometry
  }

  /// Takes in at most one hello, waiting for it up to `timeout`, and leaves it unanswered.
  func hear(timeout: Duration) throws -> (Incarnation, Hello)? {
    guard let sender = try router.receive(&message, timeout: timeout), message.frameCount == 2,
      let control = try? Self.decode(message, codec), case .hello(let hello) = control.body,
      isThere(control.incarnation, sender)
    else { return nil }
    return (control.incarnation, hello)
  }

  /// Takes in at most one message, waiting for it up to `timeout`, and lets time pass.
  func step(timeout: Duration) throws {
    membership.rules.latestTerm = CoordinatorTerm.latest
    if let sender = try router.receive(&message, timeout: timeout) { receive(from: sender) }
    let now = MonotonicTime.now
    for loss in health.takeLosses() {
      perform(
        membership.lose(loss.worker, reason: loss.reason, suspendedFor: loss.suspension, at: now))
    }
    for worker in health.takeDrains() { perform(membership.drain(worker)) }
    dismissRevoked(at: now)
    retune(at: now)
    ping(at: now)
    perform(membership.tick(at: now))
    health.update(membership) { peers[$0]?.key }
    if membership.phase == .failed(.fenced), let onFenced {
      self.onFenced = nil
      health.end()
      onFenced()
    }
  }

  /// Finds workers whose connection has ended: those that nobody asks for anything would otherwise be
  /// found by their silence only, and others may wait for what they shall load.
  private func ping(at now: Duration) {
    guard now >= nextPing else { return }
    nextPing = now + .milliseconds(100)
    for watch in watches { watch.check() }
    for member in membership.members where member.lostReason == nil {
      let counter = member.progress?.counter ?? 0
      let isConnected = send(.progressAck(counter: counter), to: member.incarnation)
      perform(membership.note(member.incarnation, isConnected: isConnected, at: now))
    }
    let known = Set(membership.members.lazy.filter { $0.lostReason == nil }.map(\.incarnation))
    peers = peers.filter { known.contains($0.key) }
  }

  /// Whether a worker belongs to the cluster, and `peer` has proved the same key.
  func isKnown(_ incarnation: Incarnation, withKeyOf peer: RoutingID) -> Bool {
    membership.member(incarnation) != nil && peers[incarnation]?.key == peer.key
  }

  /// Parts with workers whose key is not let in any more.
  private func dismissRevoked(at now: Duration) {
    guard let allowList, now >= nextKeyCheck else { return }
    nextKeyCheck = now + .milliseconds(100)
    for member in membership.members where member.lostReason == nil {
      guard let key = peers[member.incarnation]?.key, !allowList.contains(key) else { continue }
      perform(membership.dismiss(member.id, reason: "its key was revoked", at: now))
    }
  }

  /// Asks now and then which experts recent tokens used, and places groups for such.
  private func retune(at now: Duration) {
    guard let interval = membership.rules.rebalanceInterval else { return }
    if now >= nextRetuning ?? now + interval {
      nextRetuning = now + interval
      health.askForSamples()
    } else if nextRetuning == nil {
      nextRetuning = now + interval
    }
    guard let trace = health.takeSamples()?.trace else { return }
    perform(membership.retune(for: trace, at: now))
  }

  /// Tells every worker that this cluster ends.
  func sayGoodbye(exit: Bool, text: String) {
    for member in membership.members where member.lostReason == nil {
      send(.shutdown(exit: exit, text: text.wireLine), to: member.incarnation)
    }
  }

  // MARK: - In

  private func receive(from sender: RoutingID) {
    guard message.frameCount == 2 else { return drop("a message of \(message.frameCount) frames") }
    let control: ControlMessage
    do {
      control = try Self.decode(message, codec)
    } catch {
      if case .protocolVersion = error, let nobody = Incarnation(rawValue: 1) {
        // The worker sees the version and ends; it cannot read more.
        send(.refusal(Refusal(.protocolVersion, error.description)), nobody, sender)
        logger.warning("Refused a worker: \(error)")
        return
      }
      return drop("\(error)")
    }
    switch control.body {
    case .hello where peers[control.incarnation] == nil:
      guard isThere(control.incarnation, sender) else { return }
      peers[control.incarnation] = sender
      handle(control)
      if membership.member(control.incarnation) == nil { peers[control.incarnation] = nil }
    case .chunkRequest(let request): serve(request, control.incarnation, sender)
    default:
      if let known = peers[control.incarnation], known != sender {
        return drop("a message in the name of another worker")
      }
      peers[control.incarnation] = sender
      handle(control)
      if membership.member(control.incarnation) == nil { peers[control.incarnation] = nil }
    }
  }

  /// Whether who says hello for the first time is still there.
  ///
  /// Hellos wait while the model is loaded, and a worker that was started again meanwhile has left some
  /// behind: it would count twice, and be lost at once.
  private func isThere(_ incarnation: Incarnation, _ sender: RoutingID) -> Bool {
    // It tells a worker nothing before it is welcomed; the library tells whether it can be sent.
    let isThere = send(.progressAck(counter: 0), incarnation, sender)
    if !isThere { logger.debug("Passed over the hello of a worker that has gone") }
    return isThere
  }

  private static func decode(
    _ message: borrowing Multipart, _ codec: MessageCodec
  ) throws(WireError) -> ControlMessage {
    try codec.decodeControl(message.frame(0))
  }

  private func handle(_ control: ControlMessage) {
    perform(
      membership.handle(
        control.body, from: control.incarnation, of: control.epoch, at: MonotonicTime.now))
  }

  private func drop(_ what: String) {
    logger.warning("Dropped on the control socket: \(what)")
  }

  // MARK: - Out

  private func perform(_ actions: [Membership.Action]) {
    guard !actions.isEmpty else { return }
    // Calls take the new way before a worker hears that it shall let go of something.
    health.update(membership) { peers[$0]?.key }
    for action in actions {
      switch action {
      case .send(let body, let incarnation): send(body, to: incarnation)
      case .note(let text): logger.notice("\(text)")
      }
    }
  }

  /// False when the connection is gone.
  @discardableResult
  private func send(_ body: ControlMessage.Body, to incarnation: Incarnation) -> Bool {
    guard let peer = peers[incarnation] else { return false }
    return send(body, incarnation, peer)
  }

  @discardableResult
  private func send(
    _ body: ControlMessage.Body, _ incarnation: Incarnation, _ peer: RoutingID
  ) -> Bool {
    message.removeAll()
    do {
      try append(body, incarnation)
      try message.append(byteCount: 0)
      try router.send(&message, to: peer)
    } catch {
      // A peer that stays away is found by `ping`.
      logger.debug("Could not send to \(peer): \(error)")
      return (error as? TransportError)?.kind != .peerGone
    }
    return true
  }

  private func append(_ body: ControlMessage.Body, _ incarnation: Incarnation) throws {
    let control = ControlMessage(incarnation: incarnation, epoch: membership.epoch, body: body)
    try codec.encode(control, into: &scratch)
    try message.append(scratch)
  }

  // MARK: - Chunks of weights

  /// Sends a worker of this cluster any bytes of the model's experts that it asks for: what it was
  /// assigned when it asked may be another's by now, and then it has no use for them.
  private func serve(_ request: ChunkRequest, _ incarnation: Incarnation, _ sender: RoutingID) {
    guard isKnown(incarnation, withKeyOf: sender) else {
      send(.refusal(Membership.unknownWorker), incarnation, sender)
      return
    }
    guard let source, let geometry = membership.rules.geometry,
      geometry.shape.contains(request.unit.layer), geometry.contains(request.unit.group)
    else {
      let text =
        "layer \(request.unit.layer), group \(request.unit.group) was asked for, but the model has "
        + "no such"
      send(.refusal(Refusal(.load, text)), incarnation, sender)
      return
    }
    let limit = geometry.byteCount(request.unit.layer, request.unit.group)
    guard request.offset <= limit, request.count <= limit - request.offset else {
      let text = "bytes beyond the end of layer \(request.unit.layer)'s experts were asked for"
      send(.refusal(Refusal(.load, text)), incarnation, sender)
      return
    }
    membership.note(request, from: incarnation, at: MonotonicTime.now)
    do {
      try reply(to: request, from: source, incarnation, sender)
    } catch {
      logger.warning("Could not send weights: \(error)")
      if !(error is TransportError) {
        send(.refusal(Refusal(.load, "\(error)")), incarnation, sender)
      }
    }
  }

  private func reply(
    to request: ChunkRequest, from source: any ExpertSource, _ incarnation: Incarnation,
    _ sender: RoutingID
  ) throws {
    var message = Multipart()
    let digest = try Self.append(request, from: source, to: &message)
    let body = ControlMessage.Body.chunkReply(ChunkReply(request: request, sha256: digest))
    try codec.encode(
      ControlMessage(incarnation: incarnation, epoch: membership.epoch, body: body),
      into: &scratch)
    try message.prepend(scratch)
    try router.send(&message, to: sender)
  }

  /// Adds a frame with the bytes asked for; returns their digest.
  private static func append(
    _ request: ChunkRequest, from source: any ExpertSource, to message: inout Multipart
  ) throws -> ModelDigest {
    try message.append(byteCount: request.count)
    var payload = message.mutableFrame(0)
    try source.read(
      layer: request.unit.layer, group: request.unit.group,
      bytes: request.offset..<request.offset + request.count, into: &payload)
    return ModelDigest(sha256: message.frame(0))
  }
}
