import CMessages
import CProtobufC

/// Turns messages into bytes and back; reusable, for one thread at a time.
///
/// Decoding trusts nothing: lengths, ranges, enumerators, text and counts are checked, and memory is
/// bounded by the arena. Encoding checks the same limits, so that no peer is sent what it must refuse.
@safe
public final class MessageCodec {
  let arena: MessageArena

  /// A codec; `arenaByteCount` bounds the memory that one message may take once it is unpacked.
  public init(arenaByteCount: Int = 1 << 20) {
    arena = MessageArena(capacity: arenaByteCount)
  }

  /// Bytes of `frame_checksum`, the last field of a frame: its tag and its value.
  package static let checksumByteCount = 9
  private static let checksumTag: UInt8 = 15 << 3 | 1

  /// Packs an unpacked protobuf-c message and its checksum, replacing `bytes`.
  func pack<Message>(
    _ message: UnsafeMutablePointer<Message>, limit: Int, into bytes: inout [UInt8],
    _ checks: FieldChecks
  ) throws(WireError) {
    let base = unsafe UnsafeRawPointer(message).assumingMemoryBound(to: ProtobufCMessage.self)
    let count = unsafe protobuf_c_message_get_packed_size(base)
    try checks.require(
      count + Self.checksumByteCount <= limit, "\(count) bytes are more than \(limit)")
    if bytes.count > count { bytes.removeLast(bytes.count - count) }
    while bytes.count < count { bytes.append(0) }
    unsafe bytes.withUnsafeMutableBufferPointer { buffer in
      _ = unsafe protobuf_c_message_pack(base, buffer.baseAddress)
    }
    let checksum = unsafe PayloadChecksum.of(bytes.span.bytes, seed: 0)
    bytes.append(Self.checksumTag)
    for shift in stride(from: 0, to: 64, by: 8) {
      bytes.append(UInt8(truncatingIfNeeded: checksum >> UInt64(shift)))
    }
  }

  /// Refuses a frame that arrived with other bytes than were sent.
  ///
  /// Connections without keys have no check but TCP's, and one flipped bit can make one valid message
  /// of another: a reply to one call that of its neighbour.
  func check(
    _ frame: RawSpan, _ checksum: UInt64?, _ checks: FieldChecks
  ) throws(WireError) {
    guard let checksum else { return }
    let count = frame.byteCount - Self.checksumByteCount
    try checks.require(
      count >= 0 && frame.load(UInt8.self, at: count) == Self.checksumTag
        && PayloadChecksum.of(frame.extracting(0..<count), seed: 0) == checksum,
      "its bytes are not what its checksum says")
  }
}
