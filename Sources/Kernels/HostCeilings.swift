internal import CKernels

/// What this machine can do at most, measured: kernels are compared with it.
@safe
public final class HostCeilings {
  private let arena = WeightArena()
  private let bytes: UnsafeMutablePointer<UInt8>
  private let byteCount: Int
  private var sink = 0.0

  private static let pieceByteCount = 1 << 20
  /// How long one measurement of a processor takes at least.
  private static let shortest = Duration.milliseconds(30)

  /// Takes memory to read, which should be many times as large as the caches.
  ///
  /// - Throws: `KernelError.outOfMemory`.
  public init(byteCount: Int) throws(KernelError) {
    precondition(byteCount > 0)
    let pieces = (byteCount + Self.pieceByteCount - 1) / Self.pieceByteCount
    self.byteCount = pieces * Self.pieceByteCount
    unsafe bytes = try arena.allocate(byteCount: pieces * Self.pieceByteCount)
      .assumingMemoryBound(to: UInt8.self)
    for offset in stride(from: 0, to: self.byteCount, by: 2048) { unsafe bytes[offset] = 1 }
  }

  /// Bytes per second that the threads of a team read together: the best of some passes.
  public func readBytesPerSecond(team: ThreadTeam, passes: Int = 5) -> Double {
    let pieces = byteCount / Self.pieceByteCount
    let base = UInt(bitPattern: unsafe bytes)
    let best = (0..<passes).map { _ in
      ContinuousClock().measure {
        team.forEach(pieces) { piece in
          let start = unsafe UnsafePointer<UInt8>(
            bitPattern: base + UInt(piece * Self.pieceByteCount))
          guard let start = unsafe start else { return }
          let sum = unsafe ck_read_memory(start, Self.pieceByteCount)
          precondition(sum != 0, "the pages have been written")
        }
      }
    }.min()
    return Double(byteCount) / ((best ?? .seconds(1)) / .seconds(1))
  }

  /// Products of 8-bit integers per second, added up in 32 bits, by one thread in registers.
  public func integerProductsPerSecond(_ kernels: Kernels) -> Double {
    let ceiling = unsafe ck_ceiling_of(kernels.table).pointee
    return rate(ceiling.dot_products) { ceiling.dot($0) }
  }

  /// Fused multiplications and additions of floats per second, by one thread in registers.
  public func floatProductsPerSecond(_ kernels: Kernels) -> Double {
    let ceiling = unsafe ck_ceiling_of(kernels.table).pointee
    return rate(ceiling.fma_products) { ceiling.fma($0) }
  }

  /// The best of some runs that are long enough to be measured.
  private func rate(_ products: Int, _ body: (Int) -> Double) -> Double {
    var rounds = 1 << 12
    var best = 0.0
    var counted = 0
    while counted < 5 {
      let duration = ContinuousClock().measure { sink += body(rounds) }
      guard duration >= Self.shortest else { rounds *= 2; continue }
      best = max(best, Double(rounds) * Double(products) / (duration / .seconds(1)))
      counted += 1
    }
    return best
  }
}
