/// Counts wrong keys per address, so that a flood of them costs little and is noticed once.
///
/// Holds no clock. A right key passes all the same: nobody can lock out others behind one address.
package struct FailureLimiter: Sendable {
  package static let perMinute = 30
  private static let maximumAddresses = 4096
  private var buckets: [String: TokenBucket] = [:]

  package init() {}

  /// Addresses that are remembered.
  package var addressCount: Int { buckets.count }

  /// Counts a failure; how long the address shall wait, zero below the limit.
  package mutating func fail(_ address: String, at time: Duration) -> Duration {
    if buckets.count >= Self.maximumAddresses, buckets[address] == nil { forget(at: time) }
    var bucket =
      buckets[address] ?? TokenBucket(capacity: Self.perMinute, period: .seconds(60), at: time)
    let wait = bucket.wait(for: 1, at: time)
    if wait == .zero { bucket.charge(1, at: time) }
    buckets[address] = bucket
    return wait
  }

  /// Drops the addresses that have been quiet; all of them when none has.
  private mutating func forget(at time: Duration) {
    buckets = buckets.filter { _, bucket in
      var bucket = bucket
      return bucket.remaining(at: time) < Self.perMinute - 1
    }
    if buckets.count >= Self.maximumAddresses { buckets = [:] }
  }
}
