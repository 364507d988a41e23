internal import CKernels

/// What weighs the logits of a vocabulary: an exponential for each, as integers.
///
/// Integers have exact sums, in any order: what is found does not depend on the instruction set.
@safe
public struct LogitKernels: @unchecked Sendable {  // the table is constant
  /// Which logits have which weights.
  public struct Weighing: Sendable {
    /// No logit is above it; its weight is `LogitKernels.unit`.
    public var peak: Float
    /// What multiplies the distance from the peak, 1 / temperature; with 0 all weights are equal.
    public var sharpness: Float
    /// Logits below have no weight; above minus infinity.
    public var minimum: Float
    /// Logits above have no weight.
    public var maximum: Float

    /// Weighs logits from `minimum` to the peak.
    public init(peak: Float, sharpness: Float, minimum: Float) {
      (self.peak, self.sharpness, self.minimum, maximum) = (peak, sharpness, minimum, peak)
    }

    var table: ck_weighing {
      ck_weighing(peak: peak, sharpness: sharpness, minimum: minimum, maximum: maximum)
    }
  }

  /// The logits of a bucket.
  public struct Bucket: Sendable {
    /// How many there are, more than were written down perhaps.
    public let count: Int
    /// Their extremes.
    public let lowest, highest: Float
  }

  /// The weight of the peak.
  public static let unit = UInt64(1) << UInt64(CK_WEIGHT_BITS)
  /// Buckets that logits are spread over.
  public static let bucketCount = Int(CK_BUCKETS)
  /// The largest vocabulary: sums of weights stay below 2^64.
  public static let maximumCount = 1 << 25
  /// Those of the fastest variant.
  public static let best = LogitKernels()

  private let table: UnsafePointer<ck_kernels>

  /// Kernels of `variant`, which must be available here.
  public init(variant: KernelVariant = .best) {
    guard let table = unsafe variant.table else {
      preconditionFailure("no \(variant.rawValue) kernels on this processor")
    }
    unsafe self.table = unsafe table
  }
}

extension LogitKernels {
  /// The largest logit; minus infinity when none is ordered.
  public func maximum(_ logits: Span<Float>) -> Float {
    unsafe logits.withUnsafeBufferPointer { logits in
      guard let start = logits.baseAddress else { return -.infinity }
      return unsafe table.pointee.maximum(start, logits.count)
    }
  }

  /// The index of the first logit that is at least `limit`.
  public func firstIndex(of logits: Span<Float>, atLeast limit: Float) -> Int? {
    unsafe logits.withUnsafeBufferPointer { logits in
      guard let start = logits.baseAddress else { return nil }
      let index = unsafe table.pointee.first_at_least(start, logits.count, limit)
      return index < logits.count ? index : nil
    }
  }

  /// Copies logits; what is not a number becomes minus infinity, infinity the largest float.
  ///
  /// - Returns: The extremes of what is above minus infinity; lowest > highest when nothing is.
  public func copy(
    _ logits: Span<Float>, to target: inout MutableSpan<Float>
  ) -> (lowest: Float, highest: Float) {
    precondition(logits.count == target.count, "copy: as many logits")
    var (lowest, highest) = (Float.infinity, -Float.infinity)
    unsafe logits.withUnsafeBufferPointer { source in
      unsafe target.withUnsafeMutableBufferPointer { target in
        guard let from = source.baseAddress, let to = target.baseAddress else { return }
        unsafe table.pointee.copy_logits(from, source.count, to, &lowest, &highest)
      }
    }
    return (lowest, highest)
  }

  /// The sum of weights.
  public func weight(of logits: Span<Float>, _ weighing: Weighing) -> UInt64 {
    precondition(logits.count <= Self.maximumCount, "weight: too many logits")
    return unsafe logits.withUnsafeBufferPointer { logits in
      guard let start = logits.baseAddress else { return 0 }
      var weighing = weighing.table
      return unsafe table.pointee.weigh(&weighing, start, logits.count)
    }
  }

  /// Adds each weight to the bucket (maximum − logit) · `scale`, rounded; there are `bucketCount`.
  public func spread(
    _ logits: Span<Float>, _ weighing: Weighing, scale: Float,
    over buckets: inout MutableSpan<UInt64>
  ) {
    precondition(logits.count <= Self.maximumCount, "spread: too many logits")
    precondition(buckets.count == Self.bucketCount, "spread: not \(Self.bucketCount) buckets")
    unsafe logits.withUnsafeBufferPointer { logits in
      unsafe buckets.withUnsafeMutableBufferPointer { buckets in
        guard let from = logits.baseAddress, let to = buckets.baseAddress else { return }
        var weighing = weighing.table
        unsafe table.pointee.spread(&weighing, scale, from, logits.count, to)
      }
    }
  }

  /// Writes down the indices of a bucket's logits, as many as there is room for, ascending.
  public func gather(
    _ logits: Span<Float>, _ weighing: Weighing, scale: Float, bucket: Int,
    into indices: inout MutableSpan<Int32>
  ) -> Bucket {
    precondition(bucket >= 0 && bucket < Self.bucketCount, "gather: no such bucket")
    var (lowest, highest) = (Float.infinity, -Float.infinity)
    let count = unsafe logits.withUnsafeBufferPointer { logits in
      unsafe indices.withUnsafeMutableBufferPointer { indices in
        guard let from = logits.baseAddress, let to = indices.baseAddress else { return 0 }
        var weighing = weighing.table
        return unsafe table.pointee.gather(
          &weighing, scale, from, logits.count, bucket, to, indices.count, &lowest, &highest)
      }
    }
    return Bucket(count: count, lowest: lowest, highest: highest)
  }
}
