import Histogram

/// Durations with three significant digits, from 64 ns to 10 minutes; adding one allocates nothing.
public struct LatencyHistogram: Sendable {
  private static let limit: UInt64 = 600_000_000_000
  private var histogram = Histogram<UInt32>(
    lowestDiscernibleValue: 64, highestTrackableValue: limit, numberOfSignificantValueDigits: .three
  )

  /// An empty histogram.
  public init() {}

  /// Counts one duration; longer ones count as 10 minutes.
  public mutating func record(nanoseconds: UInt64) {
    histogram.record(min(nanoseconds, Self.limit))
  }

  /// Counts one duration; negative ones count as zero.
  public mutating func record(_ duration: Duration) {
    let (seconds, attoseconds) = duration.components
    guard seconds >= 0, attoseconds >= 0 else { return record(nanoseconds: 0) }
    let bounded = UInt64(min(seconds, 600))
    record(nanoseconds: bounded * 1_000_000_000 + UInt64(attoseconds / 1_000_000_000))
  }

  /// Counts everything that `other` counted.
  public mutating func add(_ other: LatencyHistogram) { histogram.add(other.histogram) }

  /// Forgets everything.
  public mutating func removeAll() { histogram.reset() }

  /// Durations counted.
  public var count: Int { Int(clamping: histogram.totalCount) }

  /// The duration that `percentile` percent of all do not exceed; zero when there are none.
  public func percentile(_ percentile: Double) -> Duration {
    guard histogram.totalCount > 0 else { return .zero }
    return .nanoseconds(Int64(clamping: histogram.valueAtPercentile(percentile)))
  }

  /// What was counted, ascending: nanoseconds, and how often, as far as durations are told apart.
  public var counts: [(nanoseconds: UInt64, count: Int)] {
    histogram.recordedValues().map { ($0.value, Int(clamping: $0.count)) }
  }

  /// Counts a duration several times.
  public mutating func record(nanoseconds: UInt64, count: Int) {
    histogram.record(min(nanoseconds, Self.limit), count: UInt32(clamping: count))
  }

  /// The median.
  public var p50: Duration { percentile(50) }
  /// What 90 percent do not exceed.
  public var p90: Duration { percentile(90) }
  /// What 99 percent do not exceed.
  public var p99: Duration { percentile(99) }
  /// What 999 in 1000 do not exceed.
  public var p999: Duration { percentile(99.9) }
  /// The longest.
  public var max: Duration { percentile(100) }
  /// The mean; zero when there are none.
  public var mean: Duration {
    histogram.totalCount > 0 ? .nanoseconds(Int64(histogram.mean)) : .zero
  }
}

extension Duration {
  /// The duration in microseconds, for tables and JSON.
  public var microseconds: Double {
    let (seconds, attoseconds) = components
    return Double(seconds) * 1e6 + Double(attoseconds) / 1e12
  }
}
