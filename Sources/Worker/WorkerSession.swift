import Foundation
import Kernels
import Logging
import Messages
import ModelFiles
import Telemetry
import Transport

/// One incarnation: from the first hello to a coordinator until the two part.
final class WorkerSession {
  /// What the daemon does next.
  enum Outcome: Equatable {
    case exit
    case rejoin(after: Duration)
  }

  private let options: WorkerOptions
  private let security: SocketSecurity
  private let held: HeldExperts
  private let refusals: RefusalMemory
  private let context: TransportContext
  private let wish: @Sendable () -> WorkerDaemon.Wish
  private let incarnation = Incarnation.random()
  private let hello: Hello
  private let dealer: DealerSocket
  private let codec = MessageCodec()
  private let status = WorkerStatus()
  private var message = Multipart()

  private var welcome: Welcome?
  private var epoch = Epoch(rawValue: 0)  // of the placement that this worker knows
  private var compute: ComputeThread?
  private var assignedEpoch = Epoch(rawValue: 0)
  private var readyEpoch = Epoch(rawValue: 0)  // that the coordinator was told of
  private var drainLimit: Duration?
  private var lastHeard = MonotonicTime.now
  private var nextReport = MonotonicTime.now
  private var nextNote = MonotonicTime.now + .seconds(1)
  private var nextSign = MonotonicTime.now
  private var lastTurn = MonotonicTime.now
  private var connectionHasEnded = false

  init(
    _ context: TransportContext, _ options: WorkerOptions, _ security: SocketSecurity,
    held: HeldExperts, refusals: RefusalMemory, memoryBandwidth: Int,
    wish: @escaping @Sendable () -> WorkerDaemon.Wish
  ) throws {
    self.options = options
    self.security = security
    self.held = held
    self.refusals = refusals
    self.context = context
    self.wish = wish
    hello = Hello(
      name: String(options.name.wireLine.prefix(100)), memoryBudget: options.memoryBudget,
      cores: options.cores, instructionSet: options.kernels.variant.rawValue,
      memoryBandwidth: memoryBandwidth, numericsProfile: options.kernels.numericsProfile,
      modelDigest: options.model?.digest, software: options.software)
    dealer = try DealerSocket(
      context, connect: options.join, as: .random(), .control.secured(by: security),
      watchesConnection: true)
  }

  /// Runs until the session ends.
  ///
  /// - Throws: `WorkerError.refused`, or a failure of this worker that joining again cannot cure.
  func run() throws -> Outcome {
    let outcome = Result { try serve() }
    if case .success(.rejoin) = outcome {
      // What the thread holds is needed again, and a stuck one would compute on beside the next.
      while let compute, !compute.stop(within: .milliseconds(50)) { try checkProgress() }
    } else if compute?.stop(within: .seconds(5)) == false {
      options.logger.warning("The compute thread does not end; leaving it behind")
    }
    return try outcome.get()
  }

  private func serve() throws -> Outcome {
    while wish() != .stop {
      if wish() == .drain, isDrained() { return .exit }
      giveSign()
      try options.faults?.reach(.control)
      try report()
      if try dealer.receive(&message, timeout: .milliseconds(20)) {
        if let outcome = try receive() { return outcome }
        continue  // before anything is concluded from an end, everything that came is read
      }
      if let outcome = checkHandshake() ?? checkConnection() ?? checkSilence() { return outcome }
      if let outcome = try checkCompute() { return outcome }
    }
    return .exit
  }

  /// Asks to be let go, once; whether there is nothing more to wait for.
  private func isDrained() -> Bool {
    guard readyEpoch.rawValue > 0 || drainLimit != nil else { return true }
    let now = MonotonicTime.now
    guard let drainLimit else {
      let seconds = Int(options.drainTimeout / .seconds(1))
      options.logger.notice(
        "Asking others to take over this worker's experts, for up to \(seconds) s")
      drainLimit = now + options.drainTimeout
      status.draining()
      nextReport = now
      return false
    }
    if now > drainLimit { options.logger.warning("Nobody took over this worker's experts") }
    return now > drainLimit
  }

  // MARK: - Out

  /// Says hello until welcomed, then reports progress, each at its interval.
  private func report() throws {
    let now = MonotonicTime.now
    guard now >= nextReport else { return }
    let interval = welcome.map { Duration.milliseconds($0.progressMilliseconds) }
    nextReport = now + (interval ?? .seconds(1))
    let sent = try send(welcome == nil ? .hello(hello) : .progress(status.progress))
    if !sent, welcome == nil {
      nextReport = now + .milliseconds(50)
      if now >= nextNote {
        nextNote = now + .seconds(10)
        options.logger.notice("Waiting for a coordinator at \(options.join)")
      }
    }
  }

  private func send(_ body: ControlMessage.Body) throws -> Bool {
    var bytes: [UInt8] = []
    // A hello tells what was followed before, under this coordinator or another.
    let epoch = welcome == nil ? held.highestEpoch : epoch
    try codec.encode(
      ControlMessage(incarnation: incarnation, epoch: epoch, body: body), into: &bytes)
    message.removeAll()
    try message.append(bytes)
    try message.append(byteCount: 0)
    return try dealer.send(&message)
  }

  // MARK: - In

  private func receive() throws -> Outcome? {
    let control: ControlMessage
    do {
      control = try Self.decode(message, codec)
    } catch {
      if case .protocolVersion = error {
        throw WorkerError.refused(by: options.join, text: error.description)
      }
      options.logger.warning("Dropped a message of \(options.join): \(error)")
      return nil
    }
    guard control.incarnation == incarnation else { return nil }
    lastHeard = MonotonicTime.now
    switch control.body {
    case .welcome(let welcome): accept(welcome)
    case .assignment(let assignment):
      guard control.epoch >= held.highestEpoch else {
        options.logger.warning("Not obeyed: a coordinator that a newer one has replaced")
        return .rejoin(after: options.retryPause)
      }
      held.follow(control.epoch)
      try accept(assignment, control.epoch)
    case .refusal(let refusal): return try accept(refusal)
    case .shutdown(let exit, let text):
      options.logger.notice("The coordinator ends: \(text)")
      return exit ? .exit : .rejoin(after: .zero)
    case .drain(let text):
      options.logger.notice("Drained: \(text)")
      return .exit
    case .progressAck: break
    default: options.logger.warning("Dropped a message that only workers send")
    }
    return nil
  }

  private static func decode(
    _ message: borrowing Multipart, _ codec: MessageCodec
  ) throws(WireError) -> ControlMessage {
    try codec.decodeControl(message.frame(0))
  }

  /// The placement is known once it is assigned: that message may be lost though this one was not.
  private func accept(_ welcome: Welcome) {
    guard self.welcome == nil else { return }
    self.welcome = welcome
    nextReport = MonotonicTime.now
    options.logger.notice("Joined the coordinator at \(options.join) as \(welcome.worker)")
  }

  private func accept(_ refusal: Refusal) throws -> Outcome {
    guard refusal.isTemporary else {
      throw WorkerError.refused(by: options.join, text: refusal.text)
    }
    // A coordinator that has started again knows nobody; nothing speaks against joining at once.
    if refusal.reason == .unknown, welcome != nil {
      options.logger.notice("Joining anew: \(refusal.text)")
      return .rejoin(after: .zero)
    }
    if refusals.isNews(refusal.reason) {
      options.logger.notice("Not taken now, asking again: \(refusal.text)")
    }
    return .rejoin(after: options.retryPause)
  }

  private func accept(_ assignment: Assignment, _ epoch: Epoch) throws {
    guard let welcome else { return }
    assignedEpoch = epoch
    self.epoch = epoch
    status.assigned(groups: assignment.units.count)
    if let compute {
      options.logger.notice("To hold \(assignment.units.count) expert groups from now on")
      return compute.change(to: assignment.units, epoch)
    }
    let work = ComputeThread.Work(
      geometry: welcome.geometry, units: assignment.units, incarnation: incarnation, epoch: epoch,
      model: welcome.modelDigest, endpoint: dataEndpoint(port: welcome.dataPort),
      security: security, polling: options.polling, answersZeros: options.answersZeros)
    let source = try self.source(for: assignment, welcome)
    options.logger.notice(
      "To hold \(assignment.units.count) expert groups\(origin(assignment.origin))")
    compute = ComputeThread(
      work, context: context, kernels: options.kernels, source: source, held: held,
      status: status, logger: options.logger, faults: options.faults)
  }

  private func origin(_ origin: Assignment.Origin) -> String {
    origin == .transfer ? " from the coordinator" : ""
  }

  private func source(
    for assignment: Assignment, _ welcome: Welcome
  ) throws -> ComputeThread.Source {
    switch assignment.origin {
    case .ownFile:
      guard let model = options.model, model.digest == welcome.modelDigest else {
        throw WorkerError.assignment("the coordinator expects a model file that is not here")
      }
      return .file(model)
    case .transfer:
      return .transfer(
        endpoint: options.join, timeout: .milliseconds(welcome.silenceMilliseconds))
    }
  }

  /// The coordinator's host with the port of its data socket.
  private func dataEndpoint(port: Int) -> String {
    let host = options.join.lastIndex(of: ":").map { options.join[..<$0] }
    return "\(host ?? "tcp://127.0.0.1"):\(port)"
  }

  // MARK: - Watching

  /// Tells whoever watches this process that it gets on.
  private func giveSign() {
    let now = MonotonicTime.now
    guard let onProgress = options.onProgress, now >= nextSign else { return }
    nextSign = now + .seconds(1)
    let busy = Duration.nanoseconds(Int64(clamping: status.progress.busyNanoseconds))
    if busy < options.stuckLimit { onProgress() }
  }

  /// After a refused handshake the socket is of no use: another one tries again, with the next key.
  private func checkHandshake() -> Outcome? {
    guard let failure = dealer.handshakeFailure(), welcome == nil else { return nil }
    options.logger.warning(
      "\(options.security.explanation(of: failure, at: options.join))")
    return .rejoin(after: options.retryPause)
  }

  /// Parts with a coordinator that serves when the connection ends, to join under other ids.
  ///
  /// It loses such a worker in any case, but may not have noticed the end yet. While a cluster starts,
  /// the library makes the connection anew: there a loss would end the start.
  private func checkConnection() -> Outcome? {
    if connectionHasEnded {
      options.logger.warning("The connection to \(options.join) has ended; joining anew")
      return .rejoin(after: .zero)
    }
    connectionHasEnded = dealer.connectionHasEnded() && status.isInUse
    return nil
  }

  private func checkSilence() -> Outcome? {
    guard let welcome else { return nil }
    let limit = Duration.milliseconds(welcome.silenceMilliseconds)
    guard MonotonicTime.now - lastHeard > limit else { return nil }
    options.logger.warning("The coordinator at \(options.join) is gone; waiting for the next")
    return .rejoin(after: .zero)
  }

  /// Fails when the compute thread is stuck, which the coordinator is told.
  private func checkProgress() throws {
    // A process that was stopped, or a machine that slept, says nothing about its compute thread.
    let now = MonotonicTime.now
    if now - lastTurn > .milliseconds(500) { status.excuse(now - lastTurn) }
    lastTurn = now
    guard let time = status.stuckTime(most: options.stuckLimit) else { return }
    let error = WorkerError.stuck(for: time)
    _ = try send(.refusal(Refusal(.load, error.description.wireLine)))
    throw error
  }

  private func checkCompute() throws -> Outcome? {
    try checkProgress()
    if let failure = status.failure {
      _ = try send(.refusal(failure))
      guard status.joinsAgain else { throw WorkerError.assignment(failure.text) }
      options.logger.warning("Joining anew: \(failure.text)")
      return .rejoin(after: .zero)
    }
    if readyEpoch != assignedEpoch, let ready = status.ready(for: assignedEpoch),
      try send(.ready(ready))
    {
      readyEpoch = assignedEpoch
      options.logger.notice(
        "Holding \(ready.loadedGroups) expert groups, \(ready.residentBytes >> 20) MiB")
    }
    return nil
  }
}
