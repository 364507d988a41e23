import Experts
import Messages
import ModelFiles
import Placement
import Synchronization
import Telemetry
import Tensors
import Transport

/// Reads expert groups from the coordinator in chunks, each checked against its SHA-256.
///
/// It has a connection of its own, so that the control thread goes on answering meanwhile. Requests
/// are sent ahead, so that the link is not idle while a chunk is checked and packed. After a silence
/// it connects anew: what was asked for went down with a broken connection, or the library has given
/// the connection up, as it does when bytes changed on the way.
final class ChunkClient: ExpertSource {
  /// Bytes of a chunk: small enough that reading, checking and sending overlap.
  private static let chunkByteCount = min(1 << 20, WireLimits.chunkByteCount)
  /// Chunks that are asked for at once.
  private static let window = 4
  /// Times that a corrupt chunk is asked for again.
  private static let retryCount = 3

  private struct Link: ~Copyable {
    var dealer: DealerSocket
    let codec = MessageCodec()
    var message = Multipart()
    var patience: TransferPatience
  }

  private let link: Mutex<Link>
  private let incarnation: Incarnation
  private let epoch: Epoch
  private let connect: @Sendable () throws -> DealerSocket
  private let isStopped: @Sendable () -> Bool

  /// Connects to the coordinator at `endpoint`.
  ///
  /// - Parameters:
  ///   - context: Moves the bytes.
  ///   - endpoint: Where the coordinator listens.
  ///   - security: The keys.
  ///   - incarnation: That of the worker.
  ///   - epoch: That of its assignment.
  ///   - timeout: The longest silence before it connects anew.
  ///   - isStopped: Whether nobody needs the bytes any more.
  /// - Throws: `TransportError` when the endpoint is none.
  init(
    _ context: TransportContext, endpoint: String, security: SocketSecurity,
    incarnation: Incarnation, epoch: Epoch, timeout: Duration,
    isStopped: @escaping @Sendable () -> Bool
  ) throws {
    connect = {
      try DealerSocket(context, connect: endpoint, as: .random(), .control.secured(by: security))
    }
    link = Mutex(
      Link(
        dealer: try connect(), patience: TransferPatience(most: timeout, at: MonotonicTime.now)))
    self.incarnation = incarnation
    self.epoch = epoch
    self.isStopped = isStopped
  }

  func read(
    layer: LayerIndex, group: GroupIndex, bytes: Range<Int>,
    into destination: inout MutableRawSpan
  ) throws {
    precondition(destination.byteCount >= bytes.count)
    let unit = PlacementUnit(layer: layer, group: group)
    let size = Self.chunkByteCount
    let requests = stride(from: bytes.lowerBound, to: bytes.upperBound, by: size).map {
      ChunkRequest(unit: unit, offset: $0, count: min(size, bytes.upperBound - $0))
    }
    var transfer = Transfer(waiting: requests.reversed(), start: bytes.lowerBound)
    let failure = link.withLock { link -> (any Error)? in
      link.patience.begin(at: MonotonicTime.now)
      do {
        try run(&transfer, &link, into: &destination)
        return nil
      } catch { return error }
    }
    if let failure { throw failure }
  }

  /// Which requests of one read are on their way or still to be sent.
  private struct Transfer {
    var waiting: [ChunkRequest]  // the next one is the last
    let start: Int
    var pending: [ChunkRequest: Int] = [:]  // times that what came was wrong

    var isDone: Bool { waiting.isEmpty && pending.isEmpty }
  }

  private func run(
    _ transfer: inout Transfer, _ link: inout Link, into destination: inout MutableRawSpan
  ) throws {
    while !transfer.isDone {
      if isStopped() { throw WorkerError.transfer("the transfer of weights was ended") }
      while transfer.pending.count < Self.window, let request = transfer.waiting.last {
        guard try send(request, &link) else { break }
        transfer.pending[request] = 0
        transfer.waiting.removeLast()
      }
      if try link.dealer.receive(&link.message, timeout: .milliseconds(100)) {
        try accept(&transfer, &link, into: &destination)
        link.patience.arrived(at: MonotonicTime.now)
      } else if link.patience.isExhausted(at: MonotonicTime.now) {
        try connectAnew(&transfer, &link)
      }
    }
  }

  /// Takes over one message: a chunk that is waited for, or nothing of use.
  private func accept(
    _ transfer: inout Transfer, _ link: inout Link, into destination: inout MutableRawSpan
  ) throws {
    guard link.message.frameCount == 2 else { return }
    let control = try link.codec.decodeControl(link.message.frame(0))
    if case .refusal(let refusal) = control.body {
      // Who is not known, to this coordinator or the next at its address, joins again.
      throw refusal.reason == .unknown
        ? WorkerError.interrupted(refusal.text) : WorkerError.transfer(refusal.text)
    }
    guard case .chunkReply(let reply) = control.body, control.incarnation == incarnation,
      let failures = transfer.pending[reply.request]
    else { return }
    if Self.holds(link.message, reply) {
      destination.copy(link.message.frame(1), at: reply.request.offset - transfer.start)
      transfer.pending[reply.request] = nil
    } else {
      try retry(reply.request, failures + 1, &transfer, &link)
    }
  }

  /// Whether the payload is what was asked for, as it was sent.
  private static func holds(_ message: borrowing Multipart, _ reply: ChunkReply) -> Bool {
    message.frame(1).byteCount == reply.request.count
      && ModelDigest(sha256: message.frame(1)) == reply.sha256
  }

  /// Lets what is on its way be asked for again over a connection of its own.
  private func connectAnew(_ transfer: inout Transfer, _ link: inout Link) throws {
    transfer.waiting += transfer.pending.keys.sorted { $0.offset > $1.offset }
    transfer.pending = [:]
    guard link.patience.tryAgain(at: MonotonicTime.now) else {
      throw failure(
        transfer.waiting.last, "did not come over \(TransferPatience.mostTries) connections")
    }
    link.dealer = try connect()
  }

  private func retry(
    _ request: ChunkRequest, _ failures: Int, _ transfer: inout Transfer, _ link: inout Link
  ) throws {
    guard failures <= Self.retryCount else {
      throw failure(request, "is not what its SHA-256 says, \(failures) times")
    }
    transfer.pending[request] = failures
    _ = try send(request, &link)
  }

  private func failure(_ request: ChunkRequest?, _ problem: String) -> WorkerError {
    let place = request.map {
      "layer \($0.unit.layer), group \($0.unit.group), byte \($0.offset): "
    }
    return .transfer(
      "\(place ?? "")a chunk of the weights \(problem); check the network, or copy the model file to "
        + "this machine and pass --model")
  }

  private func send(_ request: ChunkRequest, _ link: inout Link) throws -> Bool {
    var bytes: [UInt8] = []
    try link.codec.encode(
      ControlMessage(incarnation: incarnation, epoch: epoch, body: .chunkRequest(request)),
      into: &bytes)
    link.message.removeAll()
    try link.message.append(bytes)
    try link.message.append(byteCount: 0)
    return try link.dealer.send(&link.message)
  }
}
