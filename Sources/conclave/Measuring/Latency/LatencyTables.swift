import Coordinator
import Telemetry

extension LatencyReport {
  /// What people read.
  var lines: [String] {
    var lines = probeTable.lines(style: .results) + [""] + figureTable.lines(style: .results)
    for trace in traces where trace.steps.count > 0 {
      lines += [
        "", "\(trace.kind.rawValue), \(trace.steps.count) steps of \(model ?? "the model")",
      ]
      lines += partTable(trace).lines(style: .results)
      lines += trace.words(label)
    }
    return lines
  }

  private var probeTable: Table {
    var table = Table(
      ["worker", "payload", "over", "p50", "p90", "p99", "p99.9", "max", "jitter", "out", "back"],
      rightAligned: [1, 3, 4, 5, 6, 7, 8, 9, 10])
    for probe in probes {
      let times = probe.roundTrips
      let ways = probe.oneWay(clock(of: probe))
      table.add(
        [probe.label, Quantity.bytes(probe.payloadByteCount), probe.transport.text]
          + [times.p50, times.p90, times.p99, times.p999, times.max, probe.jitter]
          .map(Quantity.time) + [ways.out.p50, ways.back.p50].map(Quantity.time))
    }
    return table
  }

  private var figureTable: Table {
    var table = Table(
      ["worker", "clock", "over", "to worker", "from worker", "sent again"],
      rightAligned: [1, 3, 4, 5])
    for link in figures {
      for transport in ProbeTransport.allCases where link.bytesPerSecondOut[transport] != nil {
        let retransmits = link.retransmitCount.map { "\($0.out) + \($0.back)" } ?? ""
        table.add([
          link.label, transport == dataTransport ? Self.clock(link.clock) : "", transport.text,
          Self.rate(link.bytesPerSecondOut[transport]),
          Self.rate(link.bytesPerSecondBack[transport]), transport == .tcp ? retransmits : "",
        ])
      }
    }
    return table
  }

  private static func clock(_ clock: ClockOffset) -> String {
    guard clock.isKnown else { return "unknown" }
    let offset = Quantity.time(.nanoseconds(Int64(clamping: clock.nanoseconds.magnitude)))
    let bound = Quantity.time(.nanoseconds(Int64(clamping: clock.errorBound)))
    return "\(clock.nanoseconds < 0 ? "−" : "+")\(offset) ± \(bound)"
  }

  private static func rate(_ bytesPerSecond: Double?) -> String {
    bytesPerSecond.map { "\(Quantity.bytes(Int(min($0, 1e15))))/s" } ?? ""
  }

  /// Each worker's calls, part by part: medians.
  private func partTable(_ trace: TraceSummary) -> Table {
    var table = Table(
      ["worker (p50, p99)", "calls", "slowest"] + ShareTimes.parts.map(\.text) + ["all", "waits"],
      rightAligned: Set(1...9))
    for (index, worker) in trace.workers.enumerated() where worker.total.count > 0 {
      let parts = ShareTimes.parts.map { worker[$0] } + [worker.total, worker.wait]
      let share = worker.slowestCount * 100 / max(worker.total.count, 1)
      table.add(
        [label(index), "\(worker.total.count)", "\(share) %"]
          + parts.map { Quantity.time($0.p50) })
      table.add(["", "", ""] + parts.map { Quantity.time($0.p99) })
    }
    return table
  }
}

extension ProbeTransport {
  /// What people read.
  var text: String {
    switch self {
    case .tcp: "TCP"
    case .zeromq: "ZeroMQ"
    case .curve: "ZeroMQ, CURVE"
    }
  }
}
