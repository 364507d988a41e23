/// The name of a dealer at a router: 16 bytes that the dealer draws at random for each connection,
/// and the key that the connection proved to have.
///
/// Two ids are equal only if both are: a peer with another key cannot speak for the first.
public struct RoutingID: Hashable, Sendable, CustomStringConvertible {
  private let high: UInt64
  private let low: UInt64
  /// The sender's key; nil between sockets without keys.
  public private(set) var key: PublicKey?

  /// Bytes of a routing id.
  public static let byteCount = 16

  /// A fresh id; its first byte is never 0, which ZeroMQ keeps for itself.
  public static func random() -> RoutingID {
    RoutingID(high: .random(in: 1 << 56 ... .max), low: .random(in: 0 ... .max))
  }

  private init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// The id with these bytes; nil unless there are 16.
  init?(_ bytes: RawSpan, key: PublicKey?) {
    guard bytes.byteCount == Self.byteCount else { return nil }
    self.key = key
    (high, low) = unsafe bytes.withUnsafeBytes { bytes in
      unsafe (
        UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)),
        UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
      )
    }
  }

  /// The key is left out: few ids differ in nothing else.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(high)
    hasher.combine(low)
  }

  /// Lends the bytes.
  func withBytes<Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Void
  ) throws(Failure) {
    var words: InlineArray<2, UInt64> = [high.bigEndian, low.bigEndian]
    try unsafe withUnsafeBytes(of: &words) { (bytes) throws(Failure) in
      try unsafe body(bytes)
    }
  }

  /// The bytes as an array.
  var bytes: [UInt8] {
    var bytes: [UInt8] = []
    for word in [high, low] {
      for shift in stride(from: 56, through: 0, by: -8) {
        bytes.append(UInt8(truncatingIfNeeded: word >> UInt64(shift)))
      }
    }
    return bytes
  }

  /// Hexadecimal digits.
  public var description: String { String(high, radix: 16) + String(low, radix: 16) }
}
