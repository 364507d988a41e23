import Foundation
import Telemetry

/// What is printed.
enum Report {
  static func table(_ results: [Result], _ options: Options) -> String {
    var lines = [
      "\(options.rounds) rounds of \(options.calls) round trips of each kind in turn, "
        + "\(ProcessInfo.processInfo.activeProcessorCount) processors; microseconds,",
      "medians of rounds; processor time of a round trip in the asking thread, the asking process,",
      "the answering process",
    ]
    for groups in options.groups {
      let rows = results.filter { $0.groups == groups }
      guard let bare = rows.first(where: { $0.kind == "bare ZeroMQ" }) else { continue }
      lines.append(
        "\n\(bare.questionByteCount) bytes out, \(bare.answerByteCount) back (\(groups) groups)")
      lines.append(
        row("", ["p50", "p99", "x bare", "thread", "asking", "answering", "both", "- bare"]))
      for result in rows {
        let (own, bareCost) = (cost(result), cost(bare))
        lines.append(
          row(
            result.kind,
            [
              number(median(result.medians)), number(result.times.p99.microseconds),
              String(format: "%.2f", ratio(result, bare)), number(median(result.threadCosts)),
              number(median(result.askingCosts)), number(median(result.answeringCosts)),
              number(own), number(own - bareCost),
            ]))
      }
    }
    return lines.joined(separator: "\n")
  }

  static func json(_ results: [Result], _ options: Options) -> String {
    let objects = results.map { result -> [String: Any] in
      let bare = results.first { $0.kind == "bare ZeroMQ" && $0.groups == result.groups }
      return [
        "kind": result.kind, "groups": result.groups, "questionBytes": result.questionByteCount,
        "answerBytes": result.answerByteCount, "p50": median(result.medians),
        "p90": result.times.p90.microseconds, "p99": result.times.p99.microseconds,
        "timesBare": bare.map { ratio(result, $0) } ?? 0,
        "threadMicroseconds": median(result.threadCosts),
        "askingMicroseconds": median(result.askingCosts),
        "answeringMicroseconds": median(result.answeringCosts),
        "beyondBareMicroseconds": bare.map { cost(result) - cost($0) } ?? 0,
      ]
    }
    let report: [String: Any] = [
      "rounds": options.rounds, "calls": options.calls, "hidden": options.hidden,
      "processors": ProcessInfo.processInfo.activeProcessorCount, "kinds": objects,
    ]
    let data = try? JSONSerialization.data(
      withJSONObject: report, options: [.prettyPrinted, .sortedKeys])
    return data.map { String(decoding: $0, as: UTF8.self) } ?? "{}"
  }

  /// The median of the rounds' ratios: what slows a round down slows both.
  private static func ratio(_ result: Result, _ bare: Result) -> Double {
    median(zip(result.medians, bare.medians).map { $0 / max($1, 1e-3) })
  }

  private static func cost(_ result: Result) -> Double {
    median(zip(result.askingCosts, result.answeringCosts).map { $0 + $1 })
  }

  private static func median(_ values: [Double]) -> Double {
    values.isEmpty ? 0 : values.sorted()[values.count / 2]
  }

  private static func number(_ value: Double) -> String { String(format: "%.1f", value) }

  private static func row(_ name: String, _ cells: [String]) -> String {
    name.padding(toLength: 18, withPad: " ", startingAt: 0)
      + cells.map { String(repeating: " ", count: max(10 - $0.count, 1)) + $0 }.joined()
  }
}
