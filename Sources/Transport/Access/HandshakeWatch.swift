import CZeroMQ

/// Why two machines did not come to terms when they connected.
public enum HandshakeFailure: Sendable, Equatable {
  /// The listener does not let this key in.
  case keyRefused
  /// One side uses keys and the other does not, or the other is no process of ours.
  case otherProtocol
  /// The listener hung up: it has another key than the one that is trusted, or it ended.
  case ended
}

/// Hears from the library how a socket's handshakes go; used by the socket's thread.
@safe
final class HandshakeWatch {
  private let monitor: UnsafeMutableRawPointer
  private let context: TransportContext

  private static let events =
    ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH

  /// Begins to watch `socket`.
  init(
    _ context: TransportContext, socket: UnsafeMutableRawPointer
  ) throws(TransportError) {
    let endpoint = "inproc://handshakes-\(RoutingID.random())"
    guard unsafe zmq_socket_monitor(socket, endpoint, Int32(Self.events)) == 0,
      let monitor = unsafe zmq_socket(context.handle, ZMQ_PAIR)
    else { throw TransportError(.start, endpoint) }
    unsafe self.monitor = unsafe monitor
    self.context = context
    var linger: Int32 = 0
    unsafe zmq_setsockopt(monitor, ZMQ_LINGER, &linger, MemoryLayout<Int32>.size)
    guard unsafe zmq_connect(monitor, endpoint) == 0 else {
      throw TransportError(.start, endpoint)
    }
  }

  deinit { unsafe zmq_close(monitor) }

  /// How a handshake ended that was not asked for yet.
  enum Outcome: Equatable {
    case succeeded
    case failed(HandshakeFailure)
  }

  /// The next outcome; nil when there is none.
  func next() -> Outcome? {
    var event: [UInt8] = [0, 0, 0, 0, 0, 0]  // 16 bits of event, 32 of value
    let count = unsafe zmq_recv(monitor, &event, event.count, ZMQ_DONTWAIT)
    guard count == event.count else { return nil }
    var address: [UInt8] = [0]
    unsafe zmq_recv(monitor, &address, address.count, ZMQ_DONTWAIT)
    switch Int32(event[0]) | Int32(event[1]) << 8 {
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED: return .succeeded
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH: return .failed(.keyRefused)
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL: return .failed(.otherProtocol)
    default: return .failed(.ended)
    }
  }
}
