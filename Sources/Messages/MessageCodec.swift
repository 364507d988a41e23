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

  /// Packs an unpacked protobuf-c message, appending nothing and replacing `bytes`.
  func pack<Message>(
    _ message: UnsafeMutablePointer<Message>, limit: Int, into bytes: inout [UInt8],
    _ checks: FieldChecks
  ) throws(WireError) {
    let base = unsafe UnsafeRawPointer(message).assumingMemoryBound(to: ProtobufCMessage.self)
    let count = unsafe protobuf_c_message_get_packed_size(base)
    try checks.require(count <= limit, "\(count) bytes are more than \(limit)")
    if bytes.count > count { bytes.removeLast(bytes.count - count) }
    while bytes.count < count { bytes.append(0) }
    unsafe bytes.withUnsafeMutableBufferPointer { buffer in
      _ = unsafe protobuf_c_message_pack(base, buffer.baseAddress)
    }
  }
}
