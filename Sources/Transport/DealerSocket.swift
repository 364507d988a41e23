import CZeroMQ

/// The connecting end: one peer, a router, found again by itself after a break.
///
/// One thread at a time may use it; hand it over only across a lock or a thread start.
public final class DealerSocket: @unchecked Sendable {  // see above
  private let socket: Socket
  private let watch: HandshakeWatch?

  /// Connects to `endpoint` in the background, under the name `routingID`.
  ///
  /// - Parameters:
  ///   - context: Moves the bytes.
  ///   - endpoint: Where a router listens.
  ///   - routingID: What that router calls this socket.
  ///   - options: Limits and keys.
  ///   - watchesHandshake: Whether `handshakeFailure` shall tell how handshakes went.
  /// - Throws: `TransportError` when the endpoint is none.
  public init(
    _ context: TransportContext, connect endpoint: String, as routingID: RoutingID,
    _ options: SocketOptions, watchesHandshake: Bool = false
  ) throws(TransportError) {
    socket = try Socket(context, type: ZMQ_DEALER, options, endpoint: endpoint)
    try socket.set(ZMQ_ROUTING_ID, bytes: routingID.bytes)
    watch = watchesHandshake ? try socket.watchHandshakes() : nil
    try socket.connect()
  }

  /// How a handshake went that was not asked for yet; nil when there is none.
  func handshake() -> HandshakeWatch.Outcome? { watch?.next() }

  /// Why the last handshake failed; nil when it did not, or none was since the last call.
  ///
  /// After a refusal the library does not connect again by itself: that needs a new socket.
  public func handshakeFailure() -> HandshakeFailure? {
    var failure: HandshakeFailure?
    while let outcome = handshake() {
      switch outcome {
      case .succeeded: failure = nil
      case .failed(let reason): failure = reason
      }
    }
    return failure
  }

  /// The endpoint that it connects to.
  public var endpoint: String { socket.name }

  /// The number that an option of the library has now.
  package func value<Value: FixedWidthInteger>(of option: Int32, as type: Value.Type) -> Value? {
    socket.value(of: option, as: type)
  }

  /// Waits up to `timeout` for a message; false when none came.
  ///
  /// - Throws: `.tooManyFrames` for a message that no conclave process sends.
  public func receive(
    _ message: inout Multipart, timeout: Duration
  ) throws(TransportError) -> Bool {
    try socket.setReceiveTimeout(timeout)
    guard try message.receiveFirst(from: socket) else { return false }
    try message.receiveRest(from: socket)
    return true
  }

  /// Sends without waiting; false when there is no connection or its queue is full.
  ///
  /// `message` is empty afterwards.
  public func send(_ message: inout Multipart) throws(TransportError) -> Bool {
    do throws(TransportError) {
      try message.send(to: socket)
      return true
    } catch {
      if error.kind == .peerBusy { return false }
      throw error
    }
  }
}
