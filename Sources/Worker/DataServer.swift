import Experts
import Kernels
import Logging
import Messages
import Telemetry
import Tensors
import Transport

/// The worker's data socket: answers dispatches and probes; belongs to the compute thread.
struct DataServer: ~Copyable {
  private let work: ComputeThread.Work
  private let dealer: DealerSocket
  private let codec = MessageCodec(arenaByteCount: 64 << 10)
  private var inbox = Multipart()
  private var outbox = Multipart()
  private var scratch: [UInt8] = []
  private let faults: (any WorkerFaults)?
  private var runner: DispatchRunner?  // nil for a dense model
  private var isInUse = false
  private var connectionHasEnded = false
  private var nextAttachment = Duration.zero
  private var attachmentPause: Duration = .seconds(1)

  /// A server of what `bank` holds; of probes only without one.
  init(
    _ work: ComputeThread.Work, context: TransportContext, bank: ExpertBank? = nil,
    kernels: Kernels? = nil, faults: (any WorkerFaults)? = nil
  ) throws {
    self.work = work
    self.faults = faults
    dealer = try DealerSocket(
      context, connect: work.endpoint, as: .random(),
      .data().secured(by: work.security).polled(for: work.polling), watchesConnection: true)
    if let bank, let kernels {
      runner = DispatchRunner(bank: bank, kernels: kernels, answersZeros: work.answersZeros)
    }
  }

  /// How long a data connection may take: after a handshake that failed the library makes none.
  private static let connectionTime: Duration = .seconds(5)

  /// Tells the coordinator whose connection this is, as soon as there is one.
  ///
  /// - Throws: `WorkerError.interrupted` when there is none for too long; another socket may get one.
  mutating func attach(while isWanted: () -> Bool) throws {
    let end = MonotonicTime.now + Self.connectionTime
    while isWanted() {
      outbox.removeAll()
      try appendEmpty(2)
      if try send(.attach) {
        nextAttachment = MonotonicTime.now + attachmentPause
        return
      }
      guard MonotonicTime.now < end else {
        throw WorkerError.interrupted(
          "no data connection to \(work.endpoint) for \(Self.connectionTime); if that goes on, check"
            + " that this machine reaches that port")
      }
      _ = try dealer.receive(&inbox, timeout: .milliseconds(20))
    }
  }

  /// Says now and then again whose connection this is, until something has come by it: a connection
  /// that ended may have taken the message along, and the coordinator waits for it.
  ///
  /// Less and less often: while nobody asks for anything, nobody reads such messages, and replies
  /// need room in the same queue.
  mutating func attachAgain() throws {
    guard !isInUse, MonotonicTime.now >= nextAttachment else { return }
    outbox.removeAll()
    try appendEmpty(2)
    guard try send(.attach) else { return }
    attachmentPause = attachmentPause * 2
    nextAttachment = MonotonicTime.now + attachmentPause
  }

  /// Takes in at most one message and answers it; false when none came in time.
  ///
  /// - Throws: `WorkerError.interrupted` when the bytes of a message are not those that were sent, and
  ///   when the connection to a coordinator that serves has ended.
  @discardableResult
  mutating func serve(
    _ status: WorkerStatus, _ logger: Logger, timeout: Duration
  ) throws -> Bool {
    guard try dealer.receive(&inbox, timeout: timeout) else {
      try checkConnection()
      return false
    }
    let receivedAt = MonotonicTime.nanoseconds
    if !isInUse {
      isInUse = true
      status.used()
    }
    do {
      let header = try checkedHeader()
      switch header.body {
      case .dispatch(let dispatch):
        status.begin(size: dispatch.entryCount)
        try faults?.reach(.received)
        try answer(dispatch, receivedAt: receivedAt)
        status.end()
      case .probe(let probe): try answer(probe, receivedAt: receivedAt)
      case .ping: break
      case .measure(let measure): startEcho(measure, logger)
      case .attach, .reply, .echo: throw WorkerError.assignment("a message that only workers send")
      }
    } catch let error as WireError {
      logger.warning("Dropped a data message: \(error)")
    } catch let error as WorkerError {
      if case .interrupted = error { throw error }
      logger.warning("Dropped a data message: \(error)")
    }
    return true
  }

  /// Fails when the connection has ended and everything that came by it was read.
  private mutating func checkConnection() throws {
    if connectionHasEnded {
      throw WorkerError.interrupted("the data connection to \(work.endpoint) has ended")
    }
    connectionHasEnded = dealer.connectionHasEnded() && isInUse
  }

  /// The header of a message for this incarnation whose frames arrived as they were sent.
  private mutating func checkedHeader() throws -> DataHeader {
    guard inbox.frameCount == 3 else {
      throw WorkerError.assignment("\(inbox.frameCount) frames where 3 belong")
    }
    let (header, isWhole) = try Self.read(inbox, codec)
    guard header.incarnation == work.incarnation, header.epoch == work.epoch,
      header.model == work.model.short
    else { throw WorkerError.assignment("it is for another incarnation, epoch or model") }
    guard isWhole else {
      throw WorkerError.interrupted("a message came with other bytes than its checksum says")
    }
    return header
  }

  private static func read(
    _ message: borrowing Multipart, _ codec: MessageCodec
  ) throws(WireError) -> (DataHeader, isWhole: Bool) {
    let header = try codec.decodeData(message.frame(0))
    let checksum = PayloadChecksum.of(index: message.frame(1), payload: message.frame(2))
    return (header, checksum == header.checksum)
  }

  private static func checksum(_ message: borrowing Multipart) -> UInt64 {
    PayloadChecksum.of(index: message.frame(0), payload: message.frame(1))
  }

  private mutating func appendEmpty(_ count: Int) throws {
    for _ in 0..<count { try outbox.append(byteCount: 0) }
  }

  /// Puts a header before the index and payload frames of `outbox` and sends all three.
  private mutating func send(_ body: DataHeader.Body) throws -> Bool {
    let checksum = Self.checksum(outbox)
    try codec.encode(
      DataHeader(
        incarnation: work.incarnation, epoch: work.epoch, model: work.model.short,
        checksum: checksum, body: body),
      into: &scratch)
    try outbox.prepend(scratch)
    return try dealer.send(&outbox)
  }
}

// MARK: - Probes

extension DataServer {
  /// Echoes over one more connection to the coordinator's host, on a thread of its own.
  private func startEcho(_ measure: MeasureHeader, _ logger: Logger) {
    guard let data = TCPEndpoint(work.endpoint),
      let incarnation = Incarnation(rawValue: measure.token)
    else { return }
    let endpoint = TCPEndpoint(host: data.host, port: measure.port)
    let security: SocketSecurity
    switch measure.carrier {
    case .tcp: return EchoResponder.start(at: endpoint, token: measure.token)
    case .zeromq: security = .none
    case .curve(let key):
      // A pair for this connection only; the listener lets in whoever knows its key.
      guard let pair = try? KeyPair.random(), let server = try? PublicKey(bytes: key) else {
        return
      }
      security = .client(pair, server: server)
    }
    EchoResponder.start(
      ComputeThread.Work(
        geometry: nil, units: [], incarnation: incarnation, epoch: work.epoch, model: work.model,
        endpoint: "tcp://\(endpoint)", security: security, polling: work.polling,
        answersZeros: false), logger)
  }

  private mutating func answer(_ probe: ProbeHeader, receivedAt: UInt64) throws {
    outbox.removeAll()
    try outbox.append(byteCount: 0)
    try outbox.append(byteCount: probe.echoByteCount)
    Self.copy(inbox, into: &outbox)
    let echo = EchoHeader(
      number: probe.number, enqueuedAt: probe.enqueuedAt, receivedAt: receivedAt,
      repliedAt: MonotonicTime.nanoseconds)
    _ = try send(.echo(echo))
  }
}

extension DataServer {
  /// Fills the echo with the probe's bytes, then zeros.
  private static func copy(_ inbox: borrowing Multipart, into outbox: inout Multipart) {
    var payload = outbox.mutableFrame(1)
    let known = min(payload.byteCount, inbox.frame(2).byteCount)
    payload.copy(inbox.frame(2).extracting(first: known))
    payload.zero(from: known)
  }
}

// MARK: - Dispatches

extension DataServer {
  private mutating func answer(_ dispatch: DispatchHeader, receivedAt: UInt64) throws {
    var reply = ReplyHeader(
      call: dispatch.call, partialCount: 0, width: dispatch.width,
      rowFormat: dispatch.replyFormat, enqueuedAt: dispatch.enqueuedAt,
      times: WorkerTimes(
        receivedAt: receivedAt, computeStartedAt: receivedAt, computeEndedAt: receivedAt,
        repliedAt: receivedAt),
      error: nil)
    outbox.removeAll()
    try outbox.append(byteCount: 0)
    do {
      guard let layer = try runner?.check(dispatch, inbox) else {
        throw ExpertError(.batch, "this worker holds no experts")
      }
      reply.times.computeStartedAt = MonotonicTime.nanoseconds
      try faults?.reach(.computing)
      reply.partialCount = try runner?.compute(dispatch, layer, inbox, into: &outbox) ?? 0
      reply.times.computeEndedAt = MonotonicTime.nanoseconds
    } catch {
      outbox.removeAll()
      try appendEmpty(2)
      reply.error = "\(error)".wireLine
      reply.times.computeEndedAt = reply.times.computeStartedAt
    }
    reply.times.repliedAt = max(MonotonicTime.nanoseconds, reply.times.computeEndedAt)
    guard let faults else {
      _ = try send(.reply(reply))
      return
    }
    try send(reply, through: faults)
  }

  /// Sends what a test makes of the reply.
  private mutating func send(_ reply: ReplyHeader, through faults: any WorkerFaults) throws {
    try faults.reach(.computed)
    let header = DataHeader(
      incarnation: work.incarnation, epoch: work.epoch, model: work.model.short,
      checksum: Self.checksum(outbox), body: .reply(reply))
    for reply in faults.replies(for: WorkerReply(header: header, payload: Self.payload(outbox))) {
      outbox.removeAll()
      try codec.encode(reply.header, into: &scratch)
      for frame in [scratch, [], reply.payload] { try outbox.append(frame) }
      _ = try dealer.send(&outbox)
    }
    try faults.reach(.replied)
  }

  private static func payload(_ message: borrowing Multipart) -> [UInt8] {
    let payload = message.frame(1)
    return (0..<payload.byteCount).map {
      unsafe payload.unsafeLoad(fromByteOffset: $0, as: UInt8.self)
    }
  }
}

extension MutableRawSpan {
  /// Sets every byte from `offset` on to 0.
  fileprivate mutating func zero(from offset: Int) {
    for index in offset..<max(byteCount, offset) {
      storeBytes(of: 0, toByteOffset: index, as: UInt8.self)
    }
  }
}
