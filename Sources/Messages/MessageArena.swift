import CMessages
import CProtobufC
import ModelFiles

/// Memory for one message at a time: protobuf-c takes from it, and nothing is ever given back singly.
///
/// It bounds what a hostile message can make protobuf-c allocate, keeps allocation off the hot path,
/// and makes protobuf-c's clean-up after a failed unpack (which in 1.4.1 may free a pointer that was
/// never set) a call that does nothing.
@safe
final class MessageArena {
  private let base: UnsafeMutableRawPointer
  private let capacity: Int
  private var used = 0

  init(capacity: Int) {
    self.capacity = capacity
    unsafe base = .allocate(byteCount: capacity, alignment: 16)
  }

  deinit { unsafe base.deallocate() }

  /// Forgets everything allocated; pointers into the arena end here.
  func reset() { used = 0 }

  /// Zeroed memory for `byteCount` bytes, or nil when the arena is full.
  func allocate(byteCount: Int) -> UnsafeMutableRawPointer? {
    guard byteCount >= 0, byteCount <= capacity - used else { return nil }
    let memory = unsafe base + used
    used = min(capacity, (used + max(byteCount, 1) + 15) & ~15)
    unsafe memory.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
    return unsafe memory
  }

  /// Memory for `count` values, zeroed.
  func allocate<Value>(
    _: Value.Type, count: Int = 1
  ) throws(WireError) -> UnsafeMutablePointer<Value> {
    let (byteCount, overflow) = count.multipliedReportingOverflow(by: MemoryLayout<Value>.stride)
    guard !overflow, let memory = unsafe allocate(byteCount: byteCount) else {
      throw .malformed(message: "message", problem: "it does not fit into \(capacity) bytes")
    }
    return unsafe memory.bindMemory(to: Value.self, capacity: count)
  }

  /// A copy of `bytes` as protobuf-c wants it.
  func bytes(_ bytes: [UInt8]) throws(WireError) -> ProtobufCBinaryData {
    let memory = unsafe try allocate(UInt8.self, count: bytes.count)
    for index in bytes.indices { unsafe memory[index] = bytes[index] }
    return unsafe ProtobufCBinaryData(len: bytes.count, data: memory)
  }

  /// A copy of `text` as protobuf-c wants it, when it has 1 to `limit` bytes and no NUL.
  func text(
    _ text: String, limit: Int, _ checks: FieldChecks, _ field: StaticString
  ) throws(WireError) -> ProtobufCBinaryData {
    let utf8 = Array(text.utf8)
    try checks.require(
      (1...limit).contains(utf8.count) && !utf8.contains(0),
      "\(field) has \(utf8.count) bytes, or a NUL, where 1 to \(limit) bytes of text belong")
    return unsafe try bytes(utf8)
  }

  /// Unpacks `frame` with a generated function; nil unless it is such a message and fits the arena.
  func unpack<Message>(
    _ frame: RawSpan,
    with unpack: (
      UnsafeMutablePointer<ProtobufCAllocator>?, Int, UnsafePointer<UInt8>?
    ) -> UnsafeMutablePointer<Message>?
  ) -> UnsafeMutablePointer<Message>? {
    var allocator = unsafe ProtobufCAllocator(
      alloc: { arena, size in
        guard let arena = unsafe arena else { return nil }
        let owner = unsafe Unmanaged<MessageArena>.fromOpaque(arena).takeUnretainedValue()
        return unsafe owner.allocate(byteCount: size)
      },
      free: { _, _ in },
      allocator_data: Unmanaged.passUnretained(self).toOpaque())
    return unsafe frame.withUnsafeBytes { bytes in
      unsafe unpack(
        &allocator, bytes.count, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self))
    }
  }
}

extension ProtobufCBinaryData {
  /// A copy of the bytes.
  var array: [UInt8] {
    guard unsafe len > 0, let start = unsafe data else { return [] }
    return unsafe Array(UnsafeBufferPointer(start: start, count: len))
  }

  /// The bytes as text, when they are 1 to `limit` bytes of UTF-8 without NUL.
  func text(
    limit: Int, _ checks: FieldChecks, _ field: StaticString
  ) throws(WireError) -> String {
    let bytes = unsafe array
    guard (1...limit).contains(bytes.count), !bytes.contains(0),
      let text = String(validating: bytes, as: UTF8.self)
    else { throw checks.error("\(field) is not 1 to \(limit) bytes of text") }
    return text
  }

  /// The bytes as a SHA-256 digest.
  func digest(_ checks: FieldChecks, _ field: StaticString) throws(WireError) -> ModelDigest {
    guard unsafe len == 32, let digest = unsafe ModelDigest(bytes: array) else {
      throw unsafe checks.error("\(field) has \(len) bytes, not 32")
    }
    return digest
  }
}
