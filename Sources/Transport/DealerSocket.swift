import CZeroMQ

/// The connecting end: one peer, a router, found again by itself after a break.
///
/// One thread at a time may use it; hand it over only across a lock or a thread start.
public final class DealerSocket: @unchecked Sendable {  // see above
  private let socket: Socket

  /// Connects to `endpoint` in the background, under the name `routingID`.
  public init(
    _ context: TransportContext, connect endpoint: String, as routingID: RoutingID,
    _ options: SocketOptions
  ) throws(TransportError) {
    socket = try Socket(context, type: ZMQ_DEALER, options, endpoint: endpoint)
    try socket.set(ZMQ_ROUTING_ID, bytes: routingID.bytes)
    try socket.connect()
  }

  /// The endpoint that it connects to.
  public var endpoint: String { socket.name }

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
