/// Durations counted in buckets with fixed upper bounds, as Prometheus wants them.
package struct BucketHistogram: Equatable, Sendable {
  /// Upper bounds in seconds, ascending; what is longer counts in one bucket more.
  package let bounds: [Double]
  package private(set) var counts: [Int]  // (bounds + 1)
  package private(set) var sum = 0.0
  package private(set) var count = 0

  /// Counts nothing yet.
  package init(bounds: [Double]) {
    self.bounds = bounds
    counts = Array(repeating: 0, count: bounds.count + 1)
  }

  /// For the time between tokens: 0.5 ms to 10 s.
  static let interToken = BucketHistogram(bounds: [
    0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1,
    0.15, 0.2, 0.3, 0.5, 0.75, 1, 2, 5, 10,
  ])
  /// For the time to the first token and for whole answers: 1 ms to 10 min.
  static let answer = BucketHistogram(bounds: [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300,
    600,
  ])

  /// Counts one duration.
  package mutating func record(_ duration: Duration) {
    let seconds = max(duration / .seconds(1), 0)
    counts[bounds.firstIndex { seconds <= $0 } ?? bounds.count] += 1
    sum += seconds
    count += 1
  }

  /// The duration in seconds that `fraction` of all do not exceed, between the bounds of its
  /// bucket; nil when there are none.
  package func quantile(_ fraction: Double) -> Double? {
    guard count > 0 else { return nil }
    let rank = fraction * Double(count)
    var below = 0
    for (index, bucket) in counts.enumerated() where bucket > 0 {
      if Double(below + bucket) >= rank {
        guard index < bounds.count else { return bounds.last }
        let lower = index == 0 ? 0 : bounds[index - 1]
        return lower + (bounds[index] - lower) * max(rank - Double(below), 0) / Double(bucket)
      }
      below += bucket
    }
    return bounds.last
  }
}
