/// The limits of a socket; every one is always set, none is left to the library's default.
public struct SocketOptions: Sendable {
  /// Bytes that a frame of a peer may have; longer ones end its connection.
  public var maxFrameByteCount: Int64
  /// Messages that may wait in each direction for each peer.
  public var highWaterMark: Int32
  /// Time that a connection may take for its handshake.
  public var handshakeTimeout: Duration = .seconds(2)
  /// Time that unsent messages may delay closing.
  public var linger: Duration = .milliseconds(500)
  /// Time that the kernel repeats unacknowledged bytes, or asks an idle host in vain, before it ends the
  /// connection.
  public var lostHostLimit: Duration = .seconds(5)
  /// First and longest pause between two attempts to connect.
  public var reconnectPause: ClosedRange<Duration> = .milliseconds(50) ... .milliseconds(250)
  /// How long a thread that waits for a message polls before it sleeps, as long as messages come.
  public var polling: Duration = .zero
  /// Who is let in, or whom to trust.
  public var security = SocketSecurity.none

  /// Limits with the given frame size and queue length, and the usual times.
  public init(maxFrameByteCount: Int64, highWaterMark: Int32) {
    self.maxFrameByteCount = maxFrameByteCount
    self.highWaterMark = highWaterMark
  }

  /// The same limits with polling.
  public func polled(for time: Duration) -> SocketOptions {
    var options = self
    options.polling = time
    return options
  }

  /// The same limits with keys.
  public func secured(by security: SocketSecurity) -> SocketOptions {
    var options = self
    options.security = security
    return options
  }

  /// For control sockets: frames up to a 4 MiB chunk of weights.
  public static var control: SocketOptions {
    SocketOptions(maxFrameByteCount: 4 << 20 | 64 << 10, highWaterMark: 64)
  }

  /// For data sockets: frames up to `maxFrameByteCount`, which follows from the model.
  public static func data(maxFrameByteCount: Int64 = 256 << 20) -> SocketOptions {
    SocketOptions(maxFrameByteCount: maxFrameByteCount, highWaterMark: 64)
  }
}
