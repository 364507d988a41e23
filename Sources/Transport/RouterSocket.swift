import CZeroMQ

/// The listening end: receives from many dealers and sends to each by its routing id.
///
/// One thread at a time may use it; hand it over only across a lock or a thread start.
public final class RouterSocket: @unchecked Sendable {  // see above
  private let socket: Socket
  private var peer = Multipart()
  /// Messages dropped because no peer of ours sends such: foreign routing ids, too many frames.
  public private(set) var foreignMessageCount = 0

  /// Listens on `endpoint`, for example `tcp://127.0.0.1:*` for any free port.
  public init(
    _ context: TransportContext, bind endpoint: String, _ options: SocketOptions
  ) throws(TransportError) {
    socket = try Socket(context, type: ZMQ_ROUTER, options, endpoint: endpoint)
    try socket.set(ZMQ_ROUTER_MANDATORY, Int32(1))
    try socket.bind()
  }

  /// The endpoint with the port that was chosen.
  public var endpoint: String { socket.name }

  /// The TCP port that was chosen.
  public var port: Int? { endpoint.split(separator: ":").last.flatMap { Int($0) } }

  /// Waits up to `timeout` for a message and returns who sent it; nil when none came.
  ///
  /// Messages that no conclave process sends are dropped and counted, and also give nil.
  public func receive(
    _ message: inout Multipart, timeout: Duration
  ) throws(TransportError) -> RoutingID? {
    try socket.setReceiveTimeout(timeout)
    guard try peer.receiveFirst(from: socket) else { return nil }
    let sender = RoutingID(peer.frame(0))
    guard peer.moreFollows else {
      foreignMessageCount += 1
      return nil
    }
    do throws(TransportError) {
      try message.receive(from: socket)
    } catch {
      guard error.kind == .tooManyFrames else { throw error }
      foreignMessageCount += 1
      return nil
    }
    if sender == nil { foreignMessageCount += 1 }
    return sender
  }

  /// Sends to one dealer without waiting; `message` is empty afterwards.
  ///
  /// - Throws: `.peerGone` when that dealer is not connected, `.peerBusy` when its queue is full.
  public func send(_ message: inout Multipart, to peer: RoutingID) throws(TransportError) {
    do throws(TransportError) {
      unsafe try peer.withBytes { (bytes) throws(TransportError) in
        unsafe try socket.send(bytes, flags: ZMQ_SNDMORE)
      }
    } catch {
      message.removeAll()
      throw error
    }
    try message.send(to: socket)
  }
}
