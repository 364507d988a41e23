import CZeroMQ

/// The connecting end: one peer, a router, found again by itself after a break.
///
/// One thread at a time may use it; hand it over only across a lock or a thread start.
public final class DealerSocket: @unchecked Sendable {  // see above
  private let socket: Socket
  private let events: ConnectionEvents?
  private var isConnected = false
  private var hasEnded = false
  private var failure: HandshakeFailure?

  /// Connects to `endpoint` in the background, under the name `routingID`.
  ///
  /// - Parameters:
  ///   - context: Moves the bytes.
  ///   - endpoint: Where a router listens.
  ///   - routingID: What that router calls this socket.
  ///   - options: Limits and keys.
  ///   - watchesConnection: Whether `handshakeFailure` and `connectionHasEnded` shall know.
  /// - Throws: `TransportError` when the endpoint is none.
  public init(
    _ context: TransportContext, connect endpoint: String, as routingID: RoutingID,
    _ options: SocketOptions, watchesConnection: Bool = false
  ) throws(TransportError) {
    socket = try Socket(context, type: ZMQ_DEALER, options, endpoint: endpoint)
    try socket.set(ZMQ_ROUTING_ID, bytes: routingID.bytes)
    events = watchesConnection ? try socket.watchConnections() : nil
    try socket.connect()
  }

  /// What happened to the connection that was not asked for yet; nil when there is nothing.
  func nextEvent() -> ConnectionEvents.Event? { events?.next() }

  private func takeEvents() {
    while let event = nextEvent() {
      switch event {
      case .established: (failure, isConnected) = (nil, true)
      case .failed(let reason): (failure, isConnected) = (reason, false)
      case .ended: (hasEnded, isConnected) = (hasEnded || isConnected, false)
      }
    }
  }

  /// Why the last handshake failed; nil when it did not, or none was since the last call.
  ///
  /// After a refusal the library does not connect again by itself: that needs a new socket.
  public func handshakeFailure() -> HandshakeFailure? {
    takeEvents()
    defer { failure = nil }
    return failure
  }

  /// Whether a connection that was there has ended since the last call.
  ///
  /// The library makes another one under the same id, which the router does not serve before it has
  /// noticed the end itself; a new socket is served at once.
  public func connectionHasEnded() -> Bool {
    takeEvents()
    defer { hasEnded = false }
    return hasEnded
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
