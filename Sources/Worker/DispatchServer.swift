import Experts
import Kernels
import Logging
import Messages
import Telemetry
import Tensors
import Transport

/// Answers dispatches and probes on the worker's data socket; belongs to the compute thread.
struct DispatchServer: ~Copyable {
  private let work: ComputeThread.Work
  private let bank: ExpertBank
  private let dealer: DealerSocket
  private let codec = MessageCodec(arenaByteCount: 64 << 10)
  private var inbox = Multipart()
  private var outbox = Multipart()
  private var scratch: [UInt8] = []
  private var entries: [RoutedEntry] = []
  private var workspace: ExpertWorkspace
  private var floatRows: EncodedRows  // (grown on demand, hiddenSize)
  private var blockRows: EncodedRows
  private var floatReplies: EncodedReplies  // (grown on demand, hiddenSize)
  private var blockReplies: EncodedReplies

  init(
    _ work: ComputeThread.Work, context: TransportContext, bank: ExpertBank, kernels: Kernels
  ) throws {
    self.work = work
    self.bank = bank
    dealer = try DealerSocket(
      context, connect: work.endpoint, as: .random(), .data())
    workspace = ExpertWorkspace(geometry: work.geometry, kernels: kernels)
    let width = work.geometry.hiddenSize
    floatRows = EncodedRows(format: .float32, capacity: 0, columns: width)
    blockRows = EncodedRows(format: .int8Blocks, capacity: 0, columns: width / 32 * 32)
    floatReplies = EncodedReplies(format: .float32, capacity: 0, columns: width)
    blockReplies = EncodedReplies(format: .int16Blocks, capacity: 0, columns: width)
  }

  /// Tells the coordinator whose connection this is, as soon as there is one.
  mutating func attach(while isWanted: () -> Bool) throws {
    while isWanted() {
      outbox.removeAll()
      try appendEmpty(2)
      if try send(.attach) { return }
      _ = try dealer.receive(&inbox, timeout: .milliseconds(20))
    }
  }

  /// Takes in at most one message and answers it.
  mutating func serve(_ status: WorkerStatus, _ logger: Logger) throws {
    guard try dealer.receive(&inbox, timeout: .milliseconds(100)) else { return }
    let receivedAt = MonotonicTime.nanoseconds
    do {
      let header = try checkedHeader()
      switch header.body {
      case .dispatch(let dispatch):
        status.begin()
        try answer(dispatch, receivedAt: receivedAt)
        status.end()
      case .probe(let probe): try answer(probe, receivedAt: receivedAt)
      case .ping: break
      case .attach, .reply, .echo: throw WorkerError.assignment("a message that only workers send")
      }
    } catch let error as WireError {
      logger.warning("Dropped a data message: \(error)")
    } catch let error as WorkerError {
      logger.warning("Dropped a data message: \(error)")
    }
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
      throw WorkerError.assignment("its payload is not what its checksum says")
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

extension DispatchServer {
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

extension DispatchServer {
  /// Fills the echo with the probe's bytes, then zeros.
  private static func copy(_ inbox: borrowing Multipart, into outbox: inout Multipart) {
    var payload = outbox.mutableFrame(1)
    let known = min(payload.byteCount, inbox.frame(2).byteCount)
    payload.copy(inbox.frame(2).extracting(first: known))
    payload.zero(from: known)
  }
}

// MARK: - Dispatches

extension DispatchServer {
  private mutating func answer(_ dispatch: DispatchHeader, receivedAt: UInt64) throws {
    var reply = ReplyHeader(
      call: dispatch.call, partialCount: 0, width: work.geometry.hiddenSize,
      rowFormat: dispatch.replyFormat, enqueuedAt: dispatch.enqueuedAt,
      times: WorkerTimes(
        receivedAt: receivedAt, computeStartedAt: receivedAt, computeEndedAt: receivedAt,
        repliedAt: receivedAt),
      error: nil)
    outbox.removeAll()
    try outbox.append(byteCount: 0)
    do {
      let layer = try check(dispatch)
      reply.times.computeStartedAt = MonotonicTime.nanoseconds
      reply.partialCount = try compute(dispatch, layer)
      reply.times.computeEndedAt = MonotonicTime.nanoseconds
    } catch {
      outbox.removeAll()
      try appendEmpty(2)
      reply.error = "\(error)".wireLine
      reply.times.computeEndedAt = reply.times.computeStartedAt
    }
    reply.times.repliedAt = max(MonotonicTime.nanoseconds, reply.times.computeEndedAt)
    _ = try send(.reply(reply))
  }

  /// Checks the shapes and formats of a dispatch against the model, and its index against both.
  private mutating func check(_ dispatch: DispatchHeader) throws -> LayerIndex {
    let geometry = work.geometry
    let layer = LayerIndex(dispatch.call.layer)
    guard geometry.shape.contains(layer), dispatch.width == geometry.hiddenSize,
      dispatch.rowFormat == RowFormat(geometry.inputFormat(layer)),
      dispatch.replyFormat == RowFormat(geometry.replyFormat(layer))
    else { throw ExpertError(.batch, "the dispatch does not fit layer \(layer) of the model") }
    let rowByteCount = geometry.inputFormat(layer).byteCount(columns: geometry.hiddenSize)
    guard inbox.frame(2).byteCount == dispatch.rowCount * rowByteCount else {
      throw ExpertError(.batch, "the payload is not \(dispatch.rowCount) rows")
    }
    try Self.read(inbox, dispatch, layer, bank, into: &entries)
    return layer
  }

  private static func read(
    _ inbox: borrowing Multipart, _ dispatch: DispatchHeader, _ layer: LayerIndex,
    _ bank: ExpertBank, into entries: inout [RoutedEntry]
  ) throws {
    let geometry = bank.geometry
    try DispatchIndex.read(
      inbox.frame(1), header: dispatch, shape: geometry.shape, into: &entries)
    try geometry.validate(
      entries.span, rowCount: dispatch.rowCount, layer: layer, in: bank)
  }

  /// Computes the partial sums into the payload frame of `outbox`; returns how many.
  private mutating func compute(_ dispatch: DispatchHeader, _ layer: LayerIndex) throws -> Int {
    let run = Run(bank: bank, layer: layer, rowCount: dispatch.rowCount)
    let geometry = work.geometry
    switch (geometry.inputFormat(layer), geometry.replyFormat(layer)) {
    case (.float32, .float32):
      return try run(inbox, entries, &floatRows, &workspace, &floatReplies, &outbox)
    case (.float32, .int16Blocks):
      return try run(inbox, entries, &floatRows, &workspace, &blockReplies, &outbox)
    case (.int8Blocks, .float32):
      return try run(inbox, entries, &blockRows, &workspace, &floatReplies, &outbox)
    case (.int8Blocks, .int16Blocks):
      return try run(inbox, entries, &blockRows, &workspace, &blockReplies, &outbox)
    }
  }
}

/// One computation, with what it reads and writes passed in.
private struct Run {
  let bank: ExpertBank
  let layer: LayerIndex
  let rowCount: Int

  func callAsFunction(
    _ inbox: borrowing Multipart, _ entries: [RoutedEntry], _ rows: inout EncodedRows,
    _ workspace: inout ExpertWorkspace, _ replies: inout EncodedReplies,
    _ outbox: inout Multipart
  ) throws -> Int {
    let partialCount = bank.geometry.partialCount(entries.span)
    try rows.fill(inbox.frame(2), rows: rowCount)
    replies.grow(to: partialCount)
    workspace.compute(entries.span, of: rows, layer: layer, bank: bank, into: &replies)
    try outbox.append(replies.wireBytes(0..<partialCount))
    return partialCount
  }
}

extension EncodedRows {
  /// Replaces the rows by bytes off the wire, making room first.
  fileprivate mutating func fill(_ wire: RawSpan, rows: Int) throws(KernelError) {
    if rows > capacity {
      self = EncodedRows(format: format, capacity: max(rows, 2 * capacity), columns: columns)
    }
    try setWireBytes(wire)
  }
}

extension EncodedReplies {
  /// Makes room for `count` rows; keeps none.
  fileprivate mutating func grow(to count: Int) {
    removeAll()
    if count > capacity {
      self = EncodedReplies(format: format, capacity: max(count, 2 * capacity), columns: columns)
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
