/// Metrics in Prometheus' text format (version 0.0.4).
struct MetricsText {
  private(set) var text = ""

  /// What a metric is.
  enum Kind: String {
    case counter, gauge, histogram, summary
  }

  /// One metric with one value per set of labels; nothing when there is none.
  mutating func add(
    _ name: String, _ kind: Kind, _ help: String, _ values: [(labels: Labels, value: Double)]
  ) {
    guard !values.isEmpty else { return }
    head(name, kind, help)
    for (labels, value) in values { line(name, labels, value) }
  }

  /// One metric with one value.
  mutating func add(_ name: String, _ kind: Kind, _ help: String, _ value: Double) {
    add(name, kind, help, [([], value)])
  }

  /// A histogram with its buckets.
  mutating func add(_ name: String, _ help: String, _ histogram: BucketHistogram) {
    head(name, .histogram, help)
    var below = 0
    for (index, bound) in histogram.bounds.enumerated() {
      below += histogram.counts[index]
      line(name + "_bucket", [("le", "\(bound)")], Double(below))
    }
    line(name + "_bucket", [("le", "+Inf")], Double(histogram.count))
    line(name + "_sum", [], histogram.sum)
    line(name + "_count", [], Double(histogram.count))
  }

  /// Quantiles of durations given in microseconds.
  mutating func add(
    _ name: String, _ help: String, _ links: [(labels: Labels, times: ClusterPicture.Times)]
  ) {
    guard !links.isEmpty else { return }
    head(name, .summary, help)
    for (labels, times) in links {
      line(name, labels + [("quantile", "0.5")], times.p50 / 1e6)
      line(name, labels + [("quantile", "0.99")], times.p99 / 1e6)
      line(name, labels + [("quantile", "1")], times.max / 1e6)
      line(name + "_sum", labels, times.mean * Double(times.count) / 1e6)
      line(name + "_count", labels, Double(times.count))
    }
  }

  /// Names and values that tell the values of a metric apart.
  typealias Labels = [(name: String, value: String)]

  private mutating func head(_ name: String, _ kind: Kind, _ help: String) {
    text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n"
  }

  private mutating func line(_ name: String, _ labels: Labels, _ value: Double) {
    text += name
    if !labels.isEmpty {
      let pairs = labels.map { "\($0.name)=\"\(Self.escaped($0.value))\"" }
      text += "{\(pairs.joined(separator: ","))}"
    }
    let isWhole = value == value.rounded() && abs(value) < 0x1p53
    text += isWhole ? " \(Int(value))\n" : " \(value)\n"
  }

  private static func escaped(_ value: String) -> String {
    var result = ""
    for scalar in value.unicodeScalars {
      switch scalar {
      case "\\": result += "\\\\"
      case "\"": result += "\\\""
      case "\n": result += "\\n"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
