import Coordinator
import Foundation
import Telemetry

/// Histograms in a file, to be added to by further runs and compared with.
struct SavedLatencies: Codable {
  /// One series: what was measured, by a name that is the same in every run.
  struct Series: Codable {
    /// Median and 99th percentile of each run, in nanoseconds.
    var runs: [Run]
    /// All runs together: nanoseconds, and how often.
    var counts: [[UInt64]]

    struct Run: Codable {
      var p50: UInt64
      var p99: UInt64
    }

    init(_ histogram: LatencyHistogram) {
      runs = [
        Run(
          p50: histogram.percentile(50).wholeNanoseconds,
          p99: histogram.percentile(99).wholeNanoseconds)
      ]
      counts = histogram.counts.map { [$0.nanoseconds, UInt64($0.count)] }
    }

    var histogram: LatencyHistogram {
      var histogram = LatencyHistogram()
      for pair in counts where pair.count == 2 {
        histogram.record(nanoseconds: pair[0], count: Int(clamping: pair[1]))
      }
      return histogram
    }
  }

  private(set) var version = 1
  private(set) var series: [String: Series] = [:]

  /// The histograms of a report.
  init(_ report: LatencyReport) {
    for probe in report.probes {
      let size = Quantity.bytes(probe.payloadByteCount)
      series["\(probe.worker), \(size), \(probe.transport.text)"] = Series(probe.roundTrips)
    }
    for trace in report.traces where trace.steps.count > 0 {
      series["\(trace.kind.rawValue), step"] = Series(trace.steps)
      for (index, worker) in trace.workers.enumerated() where worker.total.count > 0 {
        for part in ShareTimes.parts {
          series["\(trace.kind.rawValue), worker \(index), \(part.text)"] = Series(worker[part])
        }
      }
    }
  }

  /// Reads a file.
  init(path: String) throws {
    do {
      self = try JSONDecoder().decode(Self.self, from: Data(contentsOf: URL(filePath: path)))
    } catch {
      throw CommandFailure("\(path): no histograms that latency --save wrote; check the path")
    }
    guard version == 1 else {
      throw CommandFailure("\(path): written by another release; measure and save again")
    }
  }

  /// Writes these histograms together with those that are in the file already.
  func add(to path: String) throws {
    var all = self
    if ResultFile.isFile(path) {
      all = try SavedLatencies(path: path)
      for (name, new) in series {
        all.series[name] = all.series[name].map { $0.adding(new) } ?? new
      }
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    try ResultFile.write(encoder.encode(all), to: path)
  }
}

extension SavedLatencies.Series {
  fileprivate func adding(_ other: Self) -> Self {
    var histogram = histogram
    histogram.add(other.histogram)
    var sum = Self(histogram)
    sum.runs = runs + other.runs
    return sum
  }
}

// MARK: - Comparing

/// A percentile that is not what it was.
struct LatencyChange {
  let series: String
  let percentile: Double
  let before: Duration
  let now: Duration

  var json: JSONText {
    .object([
      ("series", .string(series)), ("percentile", .number(percentile)),
      ("before", .number(before.microseconds)), ("now", .number(now.microseconds)),
    ])
  }

  var line: String {
    let ratio = now / max(before, .nanoseconds(1)) - 1
    let percent = "\(ratio < 0 ? "−" : "+")\(Int((abs(ratio) * 100).rounded())) %"
    return "\(series): p\(Int(percentile)) \(Quantity.time(before)) → \(Quantity.time(now))"
      + " (\(percent))"
  }
}

extension SavedLatencies {
  /// Less is no change, however certain it is.
  private static let leastRatio = 0.05

  /// Medians and 99th percentiles that differ by more than chance and than earlier runs did.
  ///
  /// The rank of a percentile among n values is uncertain by √(n q (1 − q)) each way; 2.6 times
  /// that is 99 of 100 cases. Where that is beyond the largest value, as for p99 of fewer than 670
  /// values, nobody knows how large it may be, and nothing counts as more. What earlier runs
  /// differed by widens the range that counts as noise.
  func changes(to now: SavedLatencies) -> [LatencyChange] {
    series.keys.sorted().flatMap { name -> [LatencyChange] in
      guard let before = series[name], let after = now.series[name] else { return [] }
      let old = before.histogram
      let new = after.histogram
      return [50.0, 99.0].compactMap { percentile -> LatencyChange? in
        let runs = before.runs.map { percentile < 99 ? $0.p50 : $0.p99 }
          .map { Duration.nanoseconds(Int64(clamping: $0)) }
        let noise = Self.range(old, percentile)
        let lower = min(noise.lowerBound, runs.min() ?? noise.lowerBound)
        let upper = max(noise.upperBound, runs.max() ?? noise.upperBound)
        let range = Self.range(new, percentile)
        let change = LatencyChange(
          series: name, percentile: percentile, before: old.percentile(percentile),
          now: new.percentile(percentile))
        let ratio = change.now / max(change.before, .nanoseconds(1))
        guard range.lowerBound > upper || range.upperBound < lower,
          ratio > 1 + Self.leastRatio || ratio < 1 - Self.leastRatio
        else { return nil }
        return change
      }
    }
  }

  /// Longer than anything that is measured.
  private static let endless = Duration.seconds(Int64.max)

  private static func range(
    _ histogram: LatencyHistogram, _ percentile: Double
  ) -> ClosedRange<Duration> {
    let share = percentile / 100
    let count = Double(max(histogram.count, 1))
    let spread = 260 * (share * (1 - share) / count).squareRoot()
    let lower = percentile - spread > 0 ? histogram.percentile(percentile - spread) : .zero
    let upper = percentile + spread < 100 ? histogram.percentile(percentile + spread) : endless
    return lower...upper
  }

  /// What changed, for people.
  func lines(comparedTo now: SavedLatencies) -> [String] {
    let compared = series.keys.filter { now.series[$0] != nil }.count
    let changes = changes(to: now)
    guard !changes.isEmpty else {
      return ["nothing changed beyond noise, in \(compared) series that were compared"]
    }
    return ["changed beyond noise, of \(compared) series that were compared:"]
      + changes.map(\.line)
  }
}

extension Duration {
  /// Nanoseconds, at least 0.
  var wholeNanoseconds: UInt64 { UInt64(max(0, (self / .nanoseconds(1)).rounded())) }
}
