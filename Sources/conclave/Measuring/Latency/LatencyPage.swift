import Coordinator
import Foundation
import Telemetry

/// The report as one file that opens anywhere, without a network: charts drawn from data inside.
struct LatencyPage {
  /// Bars that the range of a distribution is cut into, evenly on a logarithmic scale.
  private static let barsPerDecade = 40.0

  private let report: LatencyReport

  init(_ report: LatencyReport) { self.report = report }

  func write(to path: String) throws { try ResultFile.write(Data(html.utf8), to: path) }

  /// The page with its data; a `<` in a name must not end the script.
  var html: String {
    let data = JSONText.object(members).text.replacing("<", with: "\\u003c")
    return Self.template.replacing("/*script*/", with: Self.script)
      .replacing("/*report*/null", with: data)
  }

  private var members: [(String, JSONText)] {
    [
      ("measuredAt", .string(report.measuredAt.formatted(.iso8601))),
      ("barsPerDecade", .number(Self.barsPerDecade)),
      ("model", report.model.map { JSONText.string($0) } ?? .null),
      ("parts", .array(PathPart.allCases.map { .string($0.text) })),
      ("links", .array(report.figures.map(link))),
      ("traces", .array(report.traces.filter { $0.steps.count > 0 }.map(trace))),
    ]
  }

  // MARK: - Links

  private func link(_ figures: LinkFigures) -> JSONText {
    let probes = report.probes.filter { $0.worker == figures.worker }
    return .object([
      ("label", .string(figures.label)),
      ("clockOffset", .number(Double(figures.clock.nanoseconds) / 1000)),
      ("clockErrorBound", .number(Double(figures.clock.errorBound) / 1000)),
      ("bandwidth", .array(ProbeTransport.allCases.compactMap { bandwidth(figures, $0) })),
      (
        "retransmits",
        figures.retransmitCount.map { JSONText.integers([$0.out, $0.back]) } ?? .null
      ), ("series", .array(probes.map { series($0, figures.clock) })),
    ])
  }

  private func bandwidth(_ figures: LinkFigures, _ transport: ProbeTransport) -> JSONText? {
    guard let out = figures.bytesPerSecondOut[transport],
      let back = figures.bytesPerSecondBack[transport]
    else { return nil }
    return .object([
      ("over", .string(transport.text)), ("out", .number(out)), ("back", .number(back)),
    ])
  }

  private func series(_ probe: ProbeResult, _ clock: ClockOffset) -> JSONText {
    let times = probe.roundTrips
    let ways = probe.oneWay(clock)
    return .object(
      [
        ("payload", .string(Quantity.bytes(probe.payloadByteCount))),
        ("over", .string(probe.transport.text)), ("jitter", .number(probe.jitter.microseconds)),
        ("out", .number(ways.out.p50.microseconds)), ("back", .number(ways.back.p50.microseconds)),
        ("bars", bars(times)),
      ] + times.json)
  }

  /// Pairs of a time in microseconds and the share of values around it.
  private func bars(_ histogram: LatencyHistogram) -> JSONText {
    var bars: [Int: Int] = [:]
    for (nanoseconds, count) in histogram.counts {
      bars[Int((log10(Double(max(nanoseconds, 1))) * Self.barsPerDecade).rounded()), default: 0] +=
        count
    }
    return .array(
      bars.sorted { $0.key < $1.key }.map { key, count in
        .array([
          .number(pow(10, Double(key) / Self.barsPerDecade) / 1000),
          .number(Double(count) / Double(max(histogram.count, 1))),
        ])
      })
  }

  // MARK: - Tokens

  private func trace(_ trace: TraceSummary) -> JSONText {
    .object([
      ("kind", .string(trace.kind.rawValue)), ("steps", .object(trace.steps.json)),
      ("words", .array(trace.words(report.label).map { .string($0) })),
      ("path", parts(trace.path, per: trace.steps.count)), ("layers", .integers(trace.layers)),
      (
        "workers",
        .array(
          trace.workers.enumerated().map { index, worker in
            .object([
              ("label", .string(report.label(index))),
              ("calls", .integer(worker.total.count)), ("slowest", .integer(worker.slowestCount)),
              ("p50", .array(times(worker).map { .number($0.p50.microseconds) })),
              ("p99", .array(times(worker).map { .number($0.p99.microseconds) })),
            ])
          })
      ), ("cells", .array(trace.cells.map { .array($0.map(cell)) })),
      ("timeline", trace.typical.map(timeline) ?? .null),
    ])
  }

  private func times(_ worker: TraceSummary.WorkerLine) -> [LatencyHistogram] {
    ShareTimes.parts.map { worker[$0] } + [worker.total, worker.wait]
  }

  private func cell(_ cell: TraceSummary.Cell) -> JSONText {
    let count = Double(max(cell.count, 1))
    return .object([
      ("calls", .integer(cell.count)), ("slowest", .number(Double(cell.slowestCount) / count)),
      ("wait", .number(Double(cell.wait) / count / 1000)),
      ("parts", parts(cell.times, per: cell.count)),
    ])
  }

  private func parts(_ times: PartTimes, per count: Int) -> JSONText {
    .array(
      PathPart.allCases.map { .number(Double(times[$0]) / Double(max(count, 1)) / 1000) })
  }

  /// Segments of each lane, as [part, begin, end] in microseconds from the beginning of the step.
  private func timeline(_ path: TokenPath) -> JSONText {
    let start = path.startedAt
    func segment(_ part: PathPart, _ from: UInt64, _ to: UInt64) -> JSONText {
      .array([
        .integer(part.rawValue), .number((Double(from) - Double(start)) / 1000),
        .number((Double(to) - Double(start)) / 1000),
      ])
    }
    var own: [JSONText] = []
    for span in path.ownSpans { own.append(segment(span.part, span.from, span.to)) }
    let lanes = report.figures.indices.map { worker -> JSONText in
      let shares = path.shares.filter { $0.worker == worker }
      return .array(
        shares.flatMap { share in
          ShareTimes.parts.enumerated().map { index, part in
            segment(part, share.boundaries[index], share.boundaries[index + 1])
          }
        })
    }
    return .object([
      ("duration", .number(Double(path.duration) / 1000)), ("own", .array(own)),
      ("workers", .array(lanes)),
      (
        "layers",
        .array(
          path.calls.map {
            .array([
              .integer($0.layer), .number((Double($0.from) - Double(start)) / 1000),
              .number((Double($0.to) - Double(start)) / 1000),
            ])
          })
      ),
    ])
  }
}
