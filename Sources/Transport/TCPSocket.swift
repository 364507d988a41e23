import Glibc

/// A plain TCP connection, for what must see the link without ZeroMQ in between.
///
/// Nagle's algorithm is off. Any thread may use it; two threads that read share the bytes.
public final class TCPSocket: Sendable {
  /// What came of reading or writing without waiting.
  public enum Outcome: Equatable, Sendable {
    /// That many bytes were moved, at least one.
    case bytes(Int)
    /// Nothing can be moved now.
    case wouldBlock
    /// The other side sends no more.
    case ended
    /// The connection broke, with the system's error number.
    case broken(Int32)
  }

  /// The file descriptor, for waiting; it belongs to this object.
  public let descriptor: Int32
  /// The other side, for errors.
  public let name: String

  init(descriptor: Int32, name: String) {
    self.descriptor = descriptor
    self.name = name
    set(Int32(IPPROTO_TCP), TCP_NODELAY, 1)
  }

  deinit { close(descriptor) }

  /// Connects, and waits until that is done.
  ///
  /// - Parameters:
  ///   - endpoint: Where to.
  ///   - timeout: How long connecting, and afterwards each read and write, may take.
  /// - Returns: The connection.
  /// - Throws: `TransportError` of kind `.connect`.
  public static func connect(
    to endpoint: TCPEndpoint, timeout: Duration = .seconds(5)
  ) throws(TransportError) -> TCPSocket {
    let socket = try open(endpoint, flags: 0)
    socket.setTimeout(timeout)
    guard try socket.startConnecting(endpoint) == 0 else {
      throw TransportError(.connect, endpoint.description, code: errno)
    }
    return socket
  }

  /// Begins to connect without waiting; the socket is writable once that is done.
  ///
  /// - Returns: The connection to be.
  /// - Throws: `TransportError` of kind `.connect` when it fails at once.
  public static func connecting(to endpoint: TCPEndpoint) throws(TransportError) -> TCPSocket {
    let socket = try open(endpoint, flags: Int32(SOCK_NONBLOCK.rawValue))
    guard try socket.startConnecting(endpoint) == 0 || errno == EINPROGRESS else {
      throw TransportError(.connect, endpoint.description, code: errno)
    }
    return socket
  }

  private static func open(
    _ endpoint: TCPEndpoint, flags: Int32
  ) throws(TransportError) -> TCPSocket {
    let family = try SocketAddress(endpoint).family
    let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | flags
    let descriptor = Glibc.socket(family, type, 0)
    guard descriptor >= 0 else {
      throw TransportError(.connect, endpoint.description, code: errno)
    }
    return TCPSocket(descriptor: descriptor, name: endpoint.description)
  }

  private func startConnecting(_ endpoint: TCPEndpoint) throws(TransportError) -> Int32 {
    unsafe try SocketAddress(endpoint).with { unsafe Glibc.connect(descriptor, $0, $1) }
  }

  // MARK: - Bytes

  /// Reads at most as many bytes as `range` of `bytes` has room for.
  public func read(into bytes: inout [UInt8], range: Range<Int>) -> Outcome {
    unsafe bytes.withUnsafeMutableBytes {
      let room = unsafe UnsafeMutableRawBufferPointer(rebasing: $0[range])
      return unsafe outcome(recv(descriptor, room.baseAddress, room.count, 0))
    }
  }

  /// Writes as many of the bytes of `range` as fit.
  public func write(_ bytes: [UInt8], range: Range<Int>) -> Outcome {
    let flags = Int32(MSG_NOSIGNAL)
    return unsafe bytes.withUnsafeBytes {
      let rest = unsafe UnsafeRawBufferPointer(rebasing: $0[range])
      return unsafe outcome(send(descriptor, rest.baseAddress, rest.count, flags))
    }
  }

  private func outcome(_ count: Int) -> Outcome {
    if count > 0 { return .bytes(count) }
    if count == 0 { return .ended }
    let code = errno
    return code == EAGAIN || code == EINTR ? .wouldBlock : .broken(code)
  }

  /// Reads `count` bytes to the beginning of `bytes`; of use only when reading waits.
  ///
  /// - Throws: `TransportError` when the connection ends, breaks, or is silent too long.
  public func readAll(into bytes: inout [UInt8], count: Int) throws(TransportError) {
    var done = 0
    while done < count {
      done += try moved(read(into: &bytes, range: done..<count), .receive)
    }
  }

  /// Writes the first `count` bytes; of use only when writing waits.
  ///
  /// - Throws: `TransportError` when the connection ends, breaks, or takes nothing too long.
  public func writeAll(_ bytes: [UInt8], count: Int) throws(TransportError) {
    var done = 0
    while done < count { done += try moved(write(bytes, range: done..<count), .send) }
  }

  private func moved(_ outcome: Outcome, _ kind: TransportError.Kind) throws(TransportError) -> Int
  {
    switch outcome {
    case .bytes(let count): return count
    case .ended: throw TransportError(kind, name, code: ECONNRESET)
    case .wouldBlock: throw TransportError(kind, name, code: ETIMEDOUT)
    case .broken(let code): throw TransportError(kind, name, code: code)
    }
  }

  /// Waits up to a whole number of milliseconds for something to read, or for the end.
  public func isReadable(within timeout: Duration) -> Bool {
    var wait = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return unsafe poll(&wait, 1, timeout.milliseconds) > 0
  }

  // MARK: - Options and state

  /// Tells the other side that no more bytes follow.
  public func finishWriting() { shutdown(descriptor, Int32(SHUT_WR)) }

  /// Makes the end of this object reset the connection, so that the other side sees it break.
  public func resetWhenClosed() {
    let option = linger(l_onoff: 1, l_linger: 0)
    set(SOL_SOCKET, SO_LINGER, option)
  }

  /// What a connection attempt came to, once the socket is writable: 0, or the error number.
  public var connectionError: Int32 {
    var code: Int32 = 0
    var length = socklen_t(MemoryLayout<Int32>.size)
    let result = unsafe getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &length)
    return result == 0 ? code : errno
  }

  /// How long a read or write may wait.
  public func setTimeout(_ timeout: Duration) {
    let (seconds, attoseconds) = timeout.components
    let time = timeval(tv_sec: Int(seconds), tv_usec: Int(attoseconds / 1_000_000_000_000))
    set(SOL_SOCKET, SO_RCVTIMEO, time)
    set(SOL_SOCKET, SO_SNDTIMEO, time)
  }

  private func set<Value: BitwiseCopyable>(_ level: Int32, _ option: Int32, _ value: Value) {
    var value = value
    // What cannot be set costs precision, and no more.
    unsafe setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Value>.size))
  }

  /// What the kernel knows of the connection; nil when it does not say.
  public var information: TCPInformation? { TCPInformation(descriptor: descriptor) }
}

/// What the kernel measured on a connection, by `TCP_INFO`.
public struct TCPInformation: Sendable, Equatable {
  /// The smoothed round trip of segments and their acknowledgements.
  public let roundTrip: Duration
  /// Its mean deviation.
  public let roundTripVariation: Duration
  /// Segments that were sent again, since the connection was made.
  public let retransmitCount: Int
  /// Bytes of payload in a segment.
  public let segmentByteCount: Int

  init?(descriptor: Int32) {
    var info = tcp_info()
    var length = socklen_t(MemoryLayout<tcp_info>.size)
    let result = unsafe getsockopt(descriptor, Int32(IPPROTO_TCP), TCP_INFO, &info, &length)
    guard result == 0 else { return nil }
    roundTrip = .microseconds(Int64(info.tcpi_rtt))
    roundTripVariation = .microseconds(Int64(info.tcpi_rttvar))
    retransmitCount = Int(info.tcpi_total_retrans)
    segmentByteCount = Int(info.tcpi_snd_mss)
  }
}
