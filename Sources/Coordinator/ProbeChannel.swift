import Messages
import Telemetry
import Transport

/// One way to send a payload to a worker and have it echoed.
package protocol ProbeChannel: AnyObject {
  /// Sends a numbered payload and asks for an echo of so many bytes; false when the queue is full.
  func send(number: UInt64, byteCount: Int, echoByteCount: Int) throws -> Bool
  /// Waits for an echo, up to a whole number of milliseconds; nil when none came.
  func receive(timeout: Duration) throws -> Echo?
}

/// An echo that came.
package struct Echo {
  let number: UInt64
  let receivedAt: UInt64  // by the worker's clock, as the next one
  let repliedAt: UInt64
  let arrivedAt: UInt64

  /// States an echo; times in nanoseconds.
  package init(number: UInt64, receivedAt: UInt64, repliedAt: UInt64, arrivedAt: UInt64) {
    self.number = number
    self.receivedAt = receivedAt
    self.repliedAt = repliedAt
    self.arrivedAt = arrivedAt
  }
}

/// How many probes are on their way, and how many may be.
private struct InFlight {
  private let maxCount: Int
  private let maxByteCount: Int
  private var count = 0

  init(maxCount: Int, maxByteCount: Int = .max) {
    self.maxCount = maxCount
    self.maxByteCount = maxByteCount
  }

  /// Whether one more that is as large as those before may be sent; the first always may.
  func admitsProbe(byteCount: Int) -> Bool {
    count == 0 || count < maxCount && byteCount <= maxByteCount / (count + 1)
  }

  mutating func sent() { count += 1 }
  mutating func answered() { count = max(0, count - 1) }
}

/// The connection that dispatches use.
final class DataChannel: ProbeChannel {
  private let socket: DataSocket
  private let link: WorkerLink
  // A worker drops an echo that its queue of 64 does not take. Of what has left that queue the
  // library counts up to 31 as still in it, since it is told of every 32nd only.
  private var inFlight = InFlight(maxCount: 24)
  private var inbox = Multipart()
  private var outbox = Multipart()

  init(_ socket: DataSocket, _ link: WorkerLink) {
    self.socket = socket
    self.link = link
  }

  func send(number: UInt64, byteCount: Int, echoByteCount: Int) throws -> Bool {
    guard inFlight.admitsProbe(byteCount: byteCount) else { return false }
    let probe = ProbeHeader(
      number: number, echoByteCount: echoByteCount, enqueuedAt: MonotonicTime.nanoseconds)
    do throws(TransportError) {
      outbox.removeAll()
      try outbox.append(byteCount: 0)
      try outbox.append(byteCount: byteCount)
      try socket.send(.probe(probe), &outbox, to: link)
      inFlight.sent()
      return true
    } catch {
      if error.kind == .peerBusy { return false }
      throw ClusterError.probe(worker: link.label, reason: error.reason)
    }
  }

  func receive(timeout: Duration) throws -> Echo? {
    guard let sender = try socket.router.receive(&inbox, timeout: timeout) else {
      if timeout > .milliseconds(50), let problem = socket.ping(link) {
        throw ClusterError.probe(worker: link.label, reason: problem)
      }
      return nil
    }
    let arrivedAt = MonotonicTime.nanoseconds
    guard sender == link.peer else { return nil }
    switch socket.check(inbox, of: link) {
    case .echo(let echo):
      inFlight.answered()
      return Echo(
        number: echo.number, receivedAt: echo.receivedAt, repliedAt: echo.repliedAt,
        arrivedAt: arrivedAt)
    case .garbage(let what):
      throw ClusterError.probe(worker: link.label, reason: "it sent \(what)")
    case .reply, .attachment, .stale: return nil
    }
  }
}

/// A plain TCP connection beside it, without ZeroMQ, headers and checksums.
final class TCPChannel: ProbeChannel {
  private let socket: TCPSocket
  private let worker: String
  // Both ends write without reading: what is on its way has to fit into the kernel's buffers.
  private var inFlight = InFlight(maxCount: 64, maxByteCount: 64 << 10)
  private var outbox = [UInt8](repeating: 0, count: EchoFrame.Request.byteCount)
  private var inbox = [UInt8](repeating: 0, count: EchoFrame.Reply.byteCount)
  /// Segments that the worker's kernel sent again so far.
  private(set) var workerRetransmitCount = 0

  init(_ socket: TCPSocket, worker: String) {
    self.socket = socket
    self.worker = worker
  }

  /// What our kernel knows of the connection.
  var information: TCPInformation? { socket.information }

  func send(number: UInt64, byteCount: Int, echoByteCount: Int) throws -> Bool {
    let length = EchoFrame.Request.byteCount + byteCount
    let echoLength = EchoFrame.Reply.byteCount + echoByteCount
    guard inFlight.admitsProbe(byteCount: max(length, echoLength)) else { return false }
    if outbox.count < length { outbox += [UInt8](repeating: 0, count: length - outbox.count) }
    EchoFrame.Request(
      number: number, payloadByteCount: byteCount, echoByteCount: echoByteCount
    ).write(to: &outbox)
    try explained { () throws(TransportError) in try socket.writeAll(outbox, count: length) }
    inFlight.sent()
    return true
  }

  func receive(timeout: Duration) throws -> Echo? {
    guard socket.isReadable(within: timeout) else { return nil }
    try explained { () throws(TransportError) in
      try socket.readAll(into: &inbox, count: EchoFrame.Reply.byteCount)
    }
    guard let reply = EchoFrame.Reply(inbox) else {
      throw ClusterError.probe(worker: worker, reason: "its plain echo is none")
    }
    workerRetransmitCount = max(workerRetransmitCount, reply.retransmitCount)
    let length = max(reply.payloadByteCount, EchoFrame.Reply.byteCount)
    if inbox.count < length { inbox += [UInt8](repeating: 0, count: length - inbox.count) }
    try explained { () throws(TransportError) in
      try socket.readAll(into: &inbox, count: reply.payloadByteCount)
    }
    inFlight.answered()
    return Echo(
      number: reply.number, receivedAt: reply.receivedAt, repliedAt: reply.repliedAt,
      arrivedAt: MonotonicTime.nanoseconds)
  }

  private func explained(_ body: () throws(TransportError) -> Void) throws {
    do throws(TransportError) {
      try body()
    } catch {
      throw ClusterError.probe(worker: worker, reason: "its plain connection ended (\(error))")
    }
  }
}
