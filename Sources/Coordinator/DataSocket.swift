import Messages
import ModelFiles
import Telemetry
import Transport

/// The coordinator's data socket: frames data messages and checks those that come.
final class DataSocket {
  /// What a received message is worth.
  enum Finding {
    case reply(ReplyHeader)
    case echo(EchoHeader)
    /// Whose connection this is, which is known.
    case attachment
    case stale
    case garbage(String)
  }

  let router: RouterSocket
  let model: UInt64
  private let codec = MessageCodec(arenaByteCount: 64 << 10)
  private var scratch: [UInt8] = []
  private var pingMessage = Multipart()

  /// Frames messages for a model, of whose digest `model` is the beginning.
  init(_ router: RouterSocket, model: UInt64) {
    self.router = router
    self.model = model
  }

  /// Puts a header before the index and payload frames of `message`, and sends it.
  func send(
    _ body: DataHeader.Body, _ message: inout Multipart, to link: WorkerLink
  ) throws(TransportError) {
    let checksum = Self.checksum(message)
    let header = DataHeader(
      incarnation: link.incarnation, epoch: link.epoch, model: model, checksum: checksum,
      body: body)
    do throws(WireError) {
      try codec.encode(header, into: &scratch)
    } catch {
      preconditionFailure("\(error)")  // every value was checked before
    }
    try message.prepend(scratch)
    try router.send(&message, to: link.peer)
  }

  private static func checksum(_ message: borrowing Multipart) -> UInt64 {
    PayloadChecksum.of(index: message.frame(0), payload: message.frame(1))
  }

  /// Asks whether the connection is there; nil when it is, else what is wrong.
  func ping(_ link: WorkerLink) -> String? {
    pingMessage.removeAll()
    do throws(TransportError) {
      try pingMessage.append(byteCount: 0)
      try pingMessage.append(byteCount: 0)
      try send(.ping, &pingMessage, to: link)
      return nil
    } catch {
      return error.kind == .peerGone ? error.reason : nil
    }
  }

  /// Checks everything about a message that does not depend on a call.
  func check(_ message: borrowing Multipart, of link: WorkerLink) -> Finding {
    guard message.frameCount == 3 else { return .garbage("\(message.frameCount) frames") }
    let header: DataHeader
    do throws(WireError) {
      header = try codec.decodeData(message.frame(0))
    } catch {
      return .garbage("a header that cannot be read (\(error))")
    }
    guard header.incarnation == link.incarnation, header.epoch == link.epoch else { return .stale }
    guard header.model == model else { return .garbage("results of another model") }
    guard
      header.checksum == PayloadChecksum.of(index: message.frame(1), payload: message.frame(2))
    else { return .garbage("a payload that is not what its checksum says") }
    switch header.body {
    case .reply(let reply): return .reply(reply)
    case .echo(let echo): return .echo(echo)
    case .attach: return .attachment
    case .dispatch, .probe, .ping, .measure:
      return .garbage("a message that only coordinators send")
    }
  }

  /// The incarnation that a message attaches, if it is one that does.
  func attachment(_ message: borrowing Multipart) -> Incarnation? {
    guard message.frameCount == 3, let header = try? codec.decodeData(message.frame(0)),
      header.body == .attach, header.model == model
    else { return nil }
    return header.incarnation
  }
}

extension TransportError {
  /// What happened, in the words of an error about a worker.
  var reason: String {
    switch kind {
    case .peerGone: "its connection ended"
    case .peerBusy: "its queue is full, it takes no messages"
    default: description
    }
  }
}
