import Synchronization
import Telemetry
import Tensors

/// How fast this machine reads memory, the figure that bounds how fast experts run.
public enum MemoryBandwidth {
  private static let byteCount = 128 << 20  // more than most caches
  private static let sink = Atomic<UInt64>(0)  // keeps the sum from being optimised away

  /// Bytes per second that one thread reads: the best of a few passes, in about 0.1 s.
  public static func measure() -> Int {
    var buffer = ByteBuffer(byteCount: byteCount)
    touch(&buffer)
    var best: UInt64 = .max
    var sum: UInt64 = 0
    for _ in 0..<4 {
      let start = MonotonicTime.nanoseconds
      sum &+= add(buffer.bytes)
      best = min(best, MonotonicTime.nanoseconds &- start)
    }
    sink.store(sum, ordering: .relaxed)
    return Int(min(Double(byteCount) / Double(max(best, 1)) * 1e9, 1e14))
  }

  /// Gives every page memory of its own.
  private static func touch(_ buffer: inout ByteBuffer) {
    var bytes = buffer.mutableBytes
    for offset in stride(from: 0, to: byteCount, by: 2_048) {
      bytes.storeBytes(of: 1, toByteOffset: offset, as: UInt8.self)
    }
  }

  /// Sums all 64-bit words, 128 bytes at a time in two vectors.
  private static func add(_ bytes: RawSpan) -> UInt64 {
    var (a, b) = (SIMD8<UInt64>(), SIMD8<UInt64>())
    for offset in stride(from: 0, to: bytes.byteCount - 127, by: 128) {
      a &+= unsafe bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: SIMD8<UInt64>.self)
      b &+= unsafe bytes.unsafeLoadUnaligned(fromByteOffset: offset + 64, as: SIMD8<UInt64>.self)
    }
    return (a &+ b).wrappedSum()
  }
}
