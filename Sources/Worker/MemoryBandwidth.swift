import Synchronization
import Telemetry
import Tensors

/// How fast this machine reads memory, the figure that bounds how fast experts run.
enum MemoryBandwidth {
  /// Bytes per second that one thread reads, from a 64 MiB buffer within about 0.1 s.
  static func measure() -> Int {
    let matrix = FloatMatrix(rows: 1, columns: 16 << 20)
    var best: UInt64 = .max
    let deadline = MonotonicTime.nanoseconds &+ 80_000_000
    var sum: Float = 0
    repeat {
      let start = MonotonicTime.nanoseconds
      sum += add(matrix.span)
      best = min(best, MonotonicTime.nanoseconds &- start)
    } while MonotonicTime.nanoseconds < deadline
    sink.store(sum.bitPattern, ordering: .relaxed)
    let bytesPerSecond = Double(matrix.columns * 4) / Double(max(best, 1)) * 1e9
    return Int(min(bytesPerSecond, 1e14))
  }

  private static let sink = Atomic<UInt32>(0)  // keeps the sum from being optimised away

  /// Sums 64 floats at a time in vectors of 16.
  private static func add(_ floats: Span<Float>) -> Float {
    var (a, b, c, d) = (
      SIMD16<Float>(), SIMD16<Float>(), SIMD16<Float>(), SIMD16<Float>()
    )
    var index = 0
    while index + 64 <= floats.count {
      for lane in 0..<16 {
        unsafe a[lane] += floats[unchecked: index + lane]
        unsafe b[lane] += floats[unchecked: index + 16 + lane]
        unsafe c[lane] += floats[unchecked: index + 32 + lane]
        unsafe d[lane] += floats[unchecked: index + 48 + lane]
      }
      index += 64
    }
    return (a + b + c + d).sum()
  }
}
