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
/// are sent ahead, so that the link is not idle while a chunk is checked and packed.
final class ChunkClient: ExpertSource {
  /// Bytes of a chunk: small enough that reading, checking and sending overlap.
  private static let chunkByteCount = min(1 << 20, WireLimits.chunkByteCount)
  /// Chunks that are asked for at once.
  private static let window = 4
  /// Times that a corrupt or missing chunk is asked for again.
  private static let retryCount = 3

  private struct Link: ~Copyable {
    let dealer: DealerSocket
    let codec = MessageCodec()
    var message = Multipart()
  }

  private let link: Mutex<Link>
  private let incarnation: Incarnation
  private let epoch: Epoch
  private let timeout: Duration
  private let isStopped: @Sendable () -> Bool

  init(
    _ context: TransportContext, endpoint: String, security: SocketSecurity,
    incarnation: Incarnation, epoch: Epoch, timeout: Duration,
    isStopped: @escaping @Sendable () -> Bool
  ) throws {
    let dealer = try DealerSocket(
      context, connect: endpoint, as: .random(), .control.secured(by: security))
    link = Mutex(Link(dealer: dealer))
    self.incarnation = incarnation
    self.epoch = epoch
    self.timeout = timeout
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
    var transfer = Transfer(requests: requests, start: bytes.lowerBound)
    let failure = link.withLock { link -> (any Error)? in
      do {
        try run(&transfer, &link, into: &destination)
        return nil
      } catch { return error }
    }
    if let failure { throw failure }
  }

  /// Which requests of one read are done, on their way, or still to be sent.
  private struct Transfer {
    let requests: [ChunkRequest]
    let start: Int
    var next = 0
    var pending: [ChunkRequest: Int] = [:]  // attempts so far

    var isDone: Bool { next == requests.count && pending.isEmpty }
  }

  private func run(
    _ transfer: inout Transfer, _ link: inout Link, into destination: inout MutableRawSpan
  ) throws {
    var lastArrival = MonotonicTime.now
    while !transfer.isDone {
      if isStopped() { throw WorkerError.transfer("the transfer of weights was ended") }
      while transfer.pending.count < Self.window, transfer.next < transfer.requests.count {
        let request = transfer.requests[transfer.next]
        guard try send(request, &link) else { break }
        transfer.pending[request] = 1
        transfer.next += 1
      }
      if try link.dealer.receive(&link.message, timeout: .milliseconds(100)) {
        try accept(&transfer, &link, into: &destination)
        lastArrival = MonotonicTime.now
      } else if MonotonicTime.now - lastArrival > timeout {
        try repeatPending(&transfer, &link)
        lastArrival = MonotonicTime.now
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
      throw WorkerError.transfer(refusal.text)
    }
    guard case .chunkReply(let reply) = control.body, control.incarnation == incarnation,
      let attempts = transfer.pending[reply.request]
    else { return }
    if Self.holds(link.message, reply) {
      destination.copy(link.message.frame(1), at: reply.request.offset - transfer.start)
      transfer.pending[reply.request] = nil
    } else {
      try retry(reply.request, attempts, &transfer, &link, "is not what its SHA-256 says")
    }
  }

  /// Whether the payload is what was asked for, as it was sent.
  private static func holds(_ message: borrowing Multipart, _ reply: ChunkReply) -> Bool {
    message.frame(1).byteCount == reply.request.count
      && ModelDigest(sha256: message.frame(1)) == reply.sha256
  }

  private func repeatPending(_ transfer: inout Transfer, _ link: inout Link) throws {
    for (request, attempts) in transfer.pending {
      try retry(request, attempts, &transfer, &link, "did not come within \(timeout)")
    }
  }

  private func retry(
    _ request: ChunkRequest, _ attempts: Int, _ transfer: inout Transfer, _ link: inout Link,
    _ problem: String
  ) throws {
    guard attempts <= Self.retryCount else {
      throw WorkerError.transfer(
        "layer \(request.unit.layer), group \(request.unit.group), byte \(request.offset): a chunk "
          + "of the weights \(problem), \(attempts) times; check the network, or copy the model "
          + "file to this machine and pass --model")
    }
    transfer.pending[request] = attempts + 1
    _ = try send(request, &link)
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
