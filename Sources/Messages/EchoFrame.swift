/// What goes over a plain TCP connection between coordinator and worker while a link is measured.
///
/// The worker connects and sends the token, 8 bytes. Then the coordinator sends requests, each a head
/// of 16 bytes and a payload, and the worker answers each with a head of 32 bytes and a payload. All
/// integers are little-endian.
public enum EchoFrame {
  /// Asks for an echo.
  public struct Request: Equatable, Sendable {
    /// Bytes of the head.
    public static let byteCount = 16
    /// Number of the request.
    public var number: UInt64
    /// Bytes that follow the head.
    public var payloadByteCount: Int
    /// Bytes wanted back.
    public var echoByteCount: Int

    /// States a request.
    public init(number: UInt64, payloadByteCount: Int, echoByteCount: Int) {
      self.number = number
      self.payloadByteCount = payloadByteCount
      self.echoByteCount = echoByteCount
    }

    /// Reads a head; nil when it asks for more than a probe may carry.
    public init?(_ bytes: [UInt8]) {
      guard bytes.count >= Self.byteCount else { return nil }
      number = EchoFrame.integer(bytes, at: 0, byteCount: 8)
      payloadByteCount = Int(EchoFrame.integer(bytes, at: 8, byteCount: 4))
      echoByteCount = Int(EchoFrame.integer(bytes, at: 12, byteCount: 4))
      guard max(payloadByteCount, echoByteCount) <= WireLimits.probeByteCount else { return nil }
    }

    /// Writes the head to the beginning of `bytes`, which has room for it.
    public func write(to bytes: inout [UInt8]) {
      EchoFrame.write(number, byteCount: 8, to: &bytes, at: 0)
      EchoFrame.write(UInt64(payloadByteCount), byteCount: 4, to: &bytes, at: 8)
      EchoFrame.write(UInt64(echoByteCount), byteCount: 4, to: &bytes, at: 12)
    }
  }

  /// Answers a request.
  public struct Reply: Equatable, Sendable {
    /// Bytes of the head.
    public static let byteCount = 32
    /// Number of the request.
    public var number: UInt64
    /// When the worker had read the last byte of the request, in nanoseconds of its clock.
    public var receivedAt: UInt64
    /// When the worker began to send the echo, in nanoseconds of its clock.
    public var repliedAt: UInt64
    /// Bytes that follow the head.
    public var payloadByteCount: Int
    /// Segments that the worker's kernel sent again on this connection so far.
    public var retransmitCount: Int

    /// States a reply.
    public init(
      number: UInt64, receivedAt: UInt64, repliedAt: UInt64, payloadByteCount: Int,
      retransmitCount: Int
    ) {
      self.number = number
      self.receivedAt = receivedAt
      self.repliedAt = repliedAt
      self.payloadByteCount = payloadByteCount
      self.retransmitCount = retransmitCount
    }

    /// Reads a head; nil when it announces more than a probe may carry.
    public init?(_ bytes: [UInt8]) {
      guard bytes.count >= Self.byteCount else { return nil }
      number = EchoFrame.integer(bytes, at: 0, byteCount: 8)
      receivedAt = EchoFrame.integer(bytes, at: 8, byteCount: 8)
      repliedAt = EchoFrame.integer(bytes, at: 16, byteCount: 8)
      payloadByteCount = Int(EchoFrame.integer(bytes, at: 24, byteCount: 4))
      retransmitCount = Int(EchoFrame.integer(bytes, at: 28, byteCount: 4))
      guard payloadByteCount <= WireLimits.probeByteCount else { return nil }
    }

    /// Writes the head to the beginning of `bytes`, which has room for it.
    public func write(to bytes: inout [UInt8]) {
      EchoFrame.write(number, byteCount: 8, to: &bytes, at: 0)
      EchoFrame.write(receivedAt, byteCount: 8, to: &bytes, at: 8)
      EchoFrame.write(repliedAt, byteCount: 8, to: &bytes, at: 16)
      EchoFrame.write(UInt64(payloadByteCount), byteCount: 4, to: &bytes, at: 24)
      EchoFrame.write(UInt64(clamping: retransmitCount), byteCount: 4, to: &bytes, at: 28)
    }
  }

  /// Bytes of the token.
  public static let tokenByteCount = 8

  /// The bytes of a token.
  public static func bytes(ofToken token: UInt64) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: tokenByteCount)
    write(token, byteCount: 8, to: &bytes, at: 0)
    return bytes
  }

  /// The token in those bytes, of which there are at least 8.
  public static func token(_ bytes: [UInt8]) -> UInt64 { integer(bytes, at: 0, byteCount: 8) }

  private static func integer(_ bytes: [UInt8], at offset: Int, byteCount: Int) -> UInt64 {
    bytes[offset..<offset + byteCount].reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  private static func write(
    _ value: UInt64, byteCount: Int, to bytes: inout [UInt8], at offset: Int
  ) {
    for index in 0..<byteCount {
      bytes[offset + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index))
    }
  }
}
