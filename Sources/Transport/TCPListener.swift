import Glibc

/// A port that plain TCP connections are accepted on.
public final class TCPListener: Sendable {
  /// The file descriptor, for waiting; it belongs to this object.
  public let descriptor: Int32
  /// Where it listens, with the port that was chosen.
  public let endpoint: TCPEndpoint

  /// Listens; port 0 is any free one.
  ///
  /// - Throws: `TransportError` of kind `.bind` when the endpoint cannot be used.
  public init(_ endpoint: TCPEndpoint) throws(TransportError) {
    let name = endpoint.description
    var address = try SocketAddress(endpoint)
    let type =
      Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
    let descriptor = socket(address.family, type, 0)
    guard descriptor >= 0 else { throw TransportError(.bind, name, code: errno) }
    self.descriptor = descriptor
    var on: Int32 = 1
    let length = socklen_t(MemoryLayout<Int32>.size)
    unsafe setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, length)
    let bound = unsafe address.with { unsafe bind(descriptor, $0, $1) }
    guard bound == 0, listen(descriptor, 64) == 0,
      unsafe address.fill({ unsafe getsockname(descriptor, $0, $1) }) == 0
    else {
      let code = errno
      close(descriptor)
      throw TransportError(.bind, name, code: code)
    }
    self.endpoint = TCPEndpoint(host: endpoint.host, port: address.port)
  }

  deinit { close(descriptor) }

  /// Takes one connection that waits, if there is one; it reads and writes without waiting.
  public func accept() -> TCPSocket? {
    let accepted = Glibc.accept(descriptor, nil, nil)
    guard accepted >= 0 else { return nil }
    _ = fcntl(accepted, F_SETFD, FD_CLOEXEC)
    _ = fcntl(accepted, F_SETFL, fcntl(accepted, F_GETFL) | O_NONBLOCK)
    return TCPSocket(descriptor: accepted, name: "a connection to \(endpoint)")
  }

  /// Waits up to `timeout` for a connection, which then waits in each read and write.
  public func accept(timeout: Duration) -> TCPSocket? {
    var wait = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    guard unsafe poll(&wait, 1, timeout.milliseconds) > 0, let socket = accept() else {
      return nil
    }
    _ = fcntl(socket.descriptor, F_SETFL, fcntl(socket.descriptor, F_GETFL) & ~O_NONBLOCK)
    return socket
  }
}
