import Simulation

/// The report of a simulation for people and machines.
struct SimulationTable {
  private let report: SimulationReport
  private let seed: UInt64
  private let style = Style.results

  init(_ report: SimulationReport, seed: UInt64) {
    self.report = report
    self.seed = seed
  }

  private var times: [(name: String, member: String, times: SimulationReport.Times)] {
    [
      ("first token", "timeToFirstToken", report.timeToFirstToken),
      ("between tokens", "interTokenLatency", report.interTokenLatency),
      ("whole answer", "requestTime", report.requestTime),
    ]
  }

  private static let shares = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)]

  var lines: [String] {
    var table = Table(
      ["", "count"] + Self.shares.map(\.0) + ["max"], rightAligned: Set(1...6))
    for (name, _, times) in times {
      table.add(
        [name, "\(times.count)"] + Self.shares.map { time(times.percentile($0.1)) }
          + [time(times.max)])
    }
    return [summary] + problems + [""] + table.lines(style: style) + workers
  }

  private var summary: String {
    "\(report.answeredCount) requests in \(time(report.seconds)) of the cluster's time:"
      + " \(Quantity.number(report.answerTokensPerSecond)) tokens/s of answers,"
      + " \(report.tokenCounts.prompt) tokens of prompts, \(report.stepCount) steps,"
      + " busy \(percent(report.busySeconds / max(report.seconds, 1e-9)))"
  }

  private var problems: [String] {
    var lines = ["at most \(report.longestQueue) requests waited at a time"]
    if report.failedCount > 0 { lines.append("\(report.failedCount) requests failed") }
    if report.preemptionCount > 0 {
      lines.append("a sequence gave its cache away \(report.preemptionCount) times")
    }
    if report.messageCounts.hedges > 0 {
      lines.append(
        "\(report.messageCounts.hedges) of \(report.messageCounts.all) messages asked another worker"
          + " because one was late")
    }
    return lines
  }

  /// At most this many workers are listed.
  private static let mostRows = 16

  private var workers: [String] {
    guard !report.workers.isEmpty else { return [] }
    var table = Table(
      ["worker", "computes", "link, to it", "link, back"], rightAligned: [1, 2, 3])
    for worker in report.workers.prefix(Self.mostRows) {
      table.add([
        worker.isLost ? "\(worker.name) (lost)" : worker.name, percent(worker.busyShare),
        percent(worker.linkShares.sent), percent(worker.linkShares.received),
      ])
    }
    let rest = report.workers.count - Self.mostRows
    return [""] + table.lines(style: style) + (rest > 0 ? ["and \(rest) more"] : [])
  }

  private func time(_ seconds: Double) -> String { Quantity.time(.seconds(seconds)) }

  private func percent(_ share: Double) -> String { "\(Quantity.number(100 * share)) %" }

  var json: JSONText {
    .object(
      [
        ("seed", .unsigned(seed)), ("seconds", .number(report.seconds)),
        ("requests", .integer(report.answeredCount)),
        ("failedRequests", .integer(report.failedCount)),
        ("preemptions", .integer(report.preemptionCount)),
        ("longestQueue", .integer(report.longestQueue)), ("steps", .integer(report.stepCount)),
        ("promptTokens", .integer(report.tokenCounts.prompt)),
        ("answerTokens", .integer(report.tokenCounts.answer)),
        ("answerTokensPerSecond", .number(report.answerTokensPerSecond)),
        ("busySeconds", .number(report.busySeconds)),
        ("messages", .integer(report.messageCounts.all)),
        ("hedgedMessages", .integer(report.messageCounts.hedges)),
      ] + times.map { ($0.member, Self.json($0.times)) } + [
        ("workers", .array(report.workers.map(Self.json)))
      ])
  }

  private static func json(_ times: SimulationReport.Times) -> JSONText {
    .object(
      [("count", .integer(times.count)), ("mean", .number(times.mean))]
        + shares.map { ($0.0, .number(times.percentile($0.1))) } + [("max", .number(times.max))])
  }

  private static func json(_ worker: SimulationReport.Worker) -> JSONText {
    .object([
      ("worker", .string(worker.name)), ("busyShare", .number(worker.busyShare)),
      ("sentLinkShare", .number(worker.linkShares.sent)),
      ("receivedLinkShare", .number(worker.linkShares.received)),
      ("lost", .bool(worker.isLost)),
    ])
  }
}
