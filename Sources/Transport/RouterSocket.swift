import CZeroMQ

/// The listening end: receives from many dealers and sends to each by its routing id.
///
/// One thread at a time may use it; hand it over only across a lock or a thread start.
public final class RouterSocket: @unchecked Sendable {  // see above
  private let socket: Socket
  private let allowList: AllowList?
  private var peer = Multipart()
  /// Who has to look after the connections from time to time.
  public let watch: ConnectionWatch
  /// Messages dropped because no peer of ours sends such: foreign routing ids, too many frames.
  public private(set) var foreignMessageCount = 0
  /// Messages dropped because their sender's key is not let in any more.
  public private(set) var revokedMessageCount = 0
  /// Since when messages of a key that is not let in any more are dropped.
  private var revokedSince: [PublicKey: ContinuousClock.Instant] = [:]
  /// How long the connection of such a sender stays, so that it can be told why it ends.
  package static let farewellTime: Duration = .seconds(1)

  /// Listens on `endpoint`, for example `tcp://127.0.0.1:*` for any free port.
  public init(
    _ context: TransportContext, bind endpoint: String, _ options: SocketOptions
  ) throws(TransportError) {
    socket = try Socket(context, type: ZMQ_ROUTER, options, endpoint: endpoint)
    allowList = options.security.allowList
    try socket.set(ZMQ_ROUTER_MANDATORY, Int32(1))
    try socket.bind()
    let port = socket.name.split(separator: ":").last.flatMap { Int($0) }
    let limit = 4 * options.maxFrameByteCount + (16 << 20)
    watch = ConnectionWatch(port: port ?? 0, limit: Int(limit))
  }

  /// The endpoint with the port that was chosen.
  public var endpoint: String { socket.name }

  /// The TCP port that was chosen.
  public var port: Int? { endpoint.split(separator: ":").last.flatMap { Int($0) } }

  /// The number that an option of the library has now.
  package func value<Value: FixedWidthInteger>(of option: Int32, as type: Value.Type) -> Value? {
    socket.value(of: option, as: type)
  }

  /// Waits up to `timeout` for a message and returns who sent it; nil when none came.
  ///
  /// Messages that no conclave process sends are dropped and counted, their connection ends, and
  /// they also give nil.
  public func receive(
    _ message: inout Multipart, timeout: Duration
  ) throws(TransportError) -> RoutingID? {
    try socket.setReceiveTimeout(timeout)
    guard try peer.receiveFirst(from: socket) else { return nil }
    let sender = RoutingID(peer.frame(0), key: allowList == nil ? nil : peer.senderKey)
    if let descriptor = peer.sourceDescriptor { watch.received(on: descriptor) }
    guard peer.moreFollows else { return dropForeign() }
    do throws(TransportError) {
      try message.receive(from: socket)
    } catch {
      guard error.kind == .tooManyFrames else { throw error }
      return dropForeign()
    }
    guard let sender else { return dropForeign() }
    return isLetIn(sender) ? sender : nil
  }

  /// Counts a message that no process of ours sends, and ends the connection that it came by.
  private func dropForeign() -> RoutingID? {
    foreignMessageCount += 1
    peer.cutConnection()
    return nil
  }

  /// Whether the sender may still speak; if not, its connection ends at a message after the farewell.
  private func isLetIn(_ sender: RoutingID) -> Bool {
    guard let allowList else { return true }
    if let key = sender.key, allowList.contains(key) {
      if !revokedSince.isEmpty { revokedSince[key] = nil }
      return true
    }
    revokedMessageCount += 1
    if !wasLetInLately(sender.key) { peer.cutConnection() }
    return false
  }

  /// Whether that key was let in until a moment ago.
  private func wasLetInLately(_ key: PublicKey?) -> Bool {
    guard let key else { return false }
    let now = ContinuousClock.now
    let since = revokedSince[key, default: now]
    revokedSince[key] = since
    return now - since < Self.farewellTime
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
