import Coordinator
import Telemetry

// The report for machines: JSON, and comma-separated values. Times are microseconds.

extension LatencyReport {
  /// Members of the JSON object.
  func json(changes: [LatencyChange]?) -> [(String, JSONText)] {
    var members: [(String, JSONText)] = [
      ("links", .array(links)), ("workers", .array(figures.map(\.json))),
    ]
    if !traces.isEmpty {
      let traces = traces.map { ($0.kind.rawValue, $0.json(label)) }
      members.append(("trace", .object([("model", .string(model ?? ""))] + traces)))
    }
    if let changes { members.append(("changes", .array(changes.map(\.json)))) }
    return members
  }

  /// The connections that dispatches use; what others took is inside, as `tcp`, `zeromq` or `curve`.
  private var links: [JSONText] {
    probes.filter { $0.transport == dataTransport }.map { probe in
      var members: [(String, JSONText)] = [
        ("worker", .string("\(probe.worker)")), ("label", .string(probe.label)),
        ("payloadBytes", .integer(probe.payloadByteCount)),
        ("over", .string(probe.transport.rawValue)),
      ]
      members += probe.json(clock(of: probe))
      let others = probes.filter {
        $0.transport != dataTransport && $0.worker == probe.worker
          && $0.payloadByteCount == probe.payloadByteCount
      }
      for other in others {
        members.append((other.transport.rawValue, .object(other.json(clock(of: other)))))
      }
      return .object(members)
    }
  }

  /// Lines of a CSV file, the first with the names of its columns.
  var csv: [String] {
    let columns = "kind,worker,label,payloadBytes,over,layer,part,count,p50,p90,p99,p999,max,mean"
    var lines = [columns]
    func add(_ keys: [String], _ times: LatencyHistogram) {
      let values = [times.p50, times.p90, times.p99, times.p999, times.max, times.mean]
      lines.append(
        (keys.map(Self.field) + ["\(times.count)"]
          + values.map { "\($0.microseconds)" }).joined(separator: ","))
    }
    for probe in probes {
      let key = ["\(probe.worker)", probe.label, "\(probe.payloadByteCount)"]
      add(["probe"] + key + [probe.transport.rawValue, "", "roundTrip"], probe.roundTrips)
      let ways = probe.oneWay(clock(of: probe))
      add(["probe"] + key + [probe.transport.rawValue, "", "out"], ways.out)
      add(["probe"] + key + [probe.transport.rawValue, "", "back"], ways.back)
    }
    for trace in traces {
      add([trace.kind.rawValue, "", "", "", "", "", "step"], trace.steps)
      for (index, worker) in trace.workers.enumerated() {
        let key = [trace.kind.rawValue, "worker \(index)", label(index), "", "", ""]
        for part in ShareTimes.parts { add(key + [part.text], worker[part]) }
        add(key + ["all"], worker.total)
        add(key + ["wait"], worker.wait)
      }
    }
    return lines
  }

  private static func field(_ text: String) -> String {
    text.contains { ",\"\n".contains($0) }
      ? "\"\(text.replacing("\"", with: "\"\""))\"" : text
  }
}

extension LatencyHistogram {
  /// Percentiles, in microseconds.
  var json: [(String, JSONText)] {
    [
      ("count", .integer(count)), ("p50", .number(p50.microseconds)),
      ("p90", .number(p90.microseconds)), ("p99", .number(p99.microseconds)),
      ("p999", .number(p999.microseconds)), ("max", .number(max.microseconds)),
      ("mean", .number(mean.microseconds)),
    ]
  }
}

extension ProbeResult {
  fileprivate func json(_ clock: ClockOffset) -> [(String, JSONText)] {
    let ways = oneWay(clock)
    return roundTrips.json + [
      ("jitter", .number(jitter.microseconds)), ("interval", .number(interval.microseconds)),
      ("out", .object(ways.out.json)), ("back", .object(ways.back.json)),
    ]
  }
}

extension LinkFigures {
  fileprivate var json: JSONText {
    var members: [(String, JSONText)] = [
      ("worker", .string("\(worker)")), ("label", .string(label)),
      ("clockOffset", .number(Double(clock.nanoseconds) / 1000)),
      ("clockErrorBound", .number(Double(clock.errorBound) / 1000)),
    ]
    for transport in ProbeTransport.allCases {
      guard let out = bytesPerSecondOut[transport], let back = bytesPerSecondBack[transport] else {
        continue
      }
      members.append(
        (
          transport.rawValue,
          .object([("bytesPerSecondOut", .number(out)), ("bytesPerSecondBack", .number(back))])
        ))
    }
    if let retransmitCount {
      members += [
        ("retransmitsOut", .integer(retransmitCount.out)),
        ("retransmitsBack", .integer(retransmitCount.back)),
      ]
    }
    return .object(members)
  }
}

extension TraceSummary {
  fileprivate func json(_ label: (Int) -> String) -> JSONText {
    let workers = self.workers.enumerated().map { $1.json(worker: $0, label($0)) }
    let layers = zip(self.layers, cells).map { layer, cells in
      JSONText.object([("layer", .integer(layer)), ("workers", .array(cells.map(\.json)))])
    }
    let members: [(String, JSONText)] = [
      ("steps", .object(steps.json)), ("path", path.json(per: steps.count)),
      ("words", .array(words(label).map { .string($0) })),
      ("criticalPath", .array(culprits.map { $0.json(label) })),
      ("workers", .array(workers)), ("layers", .array(layers)),
    ]
    return .object(members)
  }
}

extension TraceSummary.WorkerLine {
  fileprivate func json(worker: Int, _ label: String) -> JSONText {
    let members: [(String, JSONText)] = [
      ("worker", .string("worker \(worker)")), ("label", .string(label)),
      ("slowest", .integer(slowestCount)), ("all", .object(total.json)),
      ("wait", .object(wait.json)),
    ]
    let parts = ShareTimes.parts.map { ($0.text, JSONText.object(self[$0].json)) }
    return .object(members + parts)
  }
}

extension TraceSummary.Cell {
  fileprivate var json: JSONText {
    let wait = Double(self.wait) / Double(max(count, 1)) / 1000
    return .object([
      ("calls", .integer(count)), ("slowest", .integer(slowestCount)), ("wait", .number(wait)),
      ("parts", times.json(per: count)),
    ])
  }
}

extension TraceSummary.Culprit {
  fileprivate func json(_ label: (Int) -> String) -> JSONText {
    .object([
      ("layer", .integer(layer)), ("worker", worker.map { JSONText.string(label($0)) } ?? .null),
      ("part", .string(part.text)), ("share", .number(share)),
      ("microseconds", .number(Double(nanoseconds) / 1000)),
    ])
  }
}

extension PartTimes {
  /// Means, in microseconds.
  func json(per count: Int) -> JSONText {
    .object(
      PathPart.allCases.map {
        ($0.text, .number(Double(self[$0]) / Double(Swift.max(count, 1)) / 1000))
      })
  }
}
