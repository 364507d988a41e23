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

/// Hears from the library how a socket's connections begin and end; used by the socket's thread.
@safe
final class ConnectionEvents {
  private let monitor: UnsafeMutableRawPointer
  private let context: TransportContext

  private static let events =
    ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH
    | ZMQ_EVENT_DISCONNECTED

  /// Begins to watch `socket`.
  init(
    _ context: TransportContext, socket: UnsafeMutableRawPointer
  ) throws(TransportError) {
    let endpoint = "inproc://events-\(RoutingID.random())"
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

  /// What happened that was not asked for yet.
  enum Event: Equatable {
    /// A handshake succeeded: the connection is there.
    case established
    /// A handshake failed.
    case failed(HandshakeFailure)
    /// A connection has ended, before its handshake or after.
    case ended
  }

  /// The next event; nil when there is none.
  func next() -> Event? {
    var event: InlineArray<6, UInt8> = .init(repeating: 0)  // 16 bits of event, 32 of value
    let count = unsafe zmq_recv(monitor, &event, MemoryLayout.size(ofValue: event), ZMQ_DONTWAIT)
    guard count == MemoryLayout.size(ofValue: event) else { return nil }
    var address: UInt8 = 0  // a frame of its own, of no interest
    unsafe zmq_recv(monitor, &address, 1, ZMQ_DONTWAIT)
    switch Int32(event[0]) | Int32(event[1]) << 8 {
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED: return .established
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH: return .failed(.keyRefused)
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL: return .failed(.otherProtocol)
    case ZMQ_EVENT_DISCONNECTED: return .ended
    default: return .failed(.ended)
    }
  }
}
