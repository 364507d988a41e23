import Coordinator
import DeepSeek
import Foundation
import ModelFiles
import Telemetry

/// What `latency` shall measure.
struct LatencyPlan {
  var sizes: [Int]
  var count: Int
  var interval: Duration?
  var promptTokens: Int
  var generateTokens: Int
}

/// What `latency` measured: links, and with a model the path of its tokens.
struct LatencyReport {
  let probes: [ProbeResult]
  let figures: [LinkFigures]
  /// What carries dispatches.
  let dataTransport: ProbeTransport
  /// What the model is called; nil when only links were measured.
  private(set) var model: String?
  /// Steps of each kind; empty without a model.
  private(set) var traces: [TraceSummary] = []
  /// The workers' clocks while tokens were followed.
  private(set) var clocks: [ClockMap?] = []
  let measuredAt = Date.now

  /// Probes every link, one after another.
  init(probing prober: LinkProber, _ plan: LatencyPlan) throws {
    let bar = ProgressBar("measuring links")
    defer { bar.finish() }
    var probes: [ProbeResult] = []
    var figures: [LinkFigures] = []
    let total = Double(prober.workers.count * (plan.sizes.count + 1))
    for worker in prober.workers.indices {
      for size in plan.sizes {
        probes += try prober.probe(
          worker: worker, payloadByteCount: size, count: plan.count, interval: plan.interval)
        bar.update(Double(worker * (plan.sizes.count + 1) + 1) / total)
      }
      figures.append(try prober.figures(worker: worker))
    }
    self.probes = probes.sorted {
      ($0.worker, $0.payloadByteCount, $0.transport.rank)
        < ($1.worker, $1.payloadByteCount, $1.transport.rank)
    }
    self.figures = figures
    dataTransport = prober.dataTransport
  }

  /// Runs a prompt and an answer of random tokens, and takes every dispatch apart.
  mutating func follow(
    _ session: ModelSession, _ prober: LinkProber, _ plan: LatencyPlan
  ) throws {
    guard let experts = session.cluster?.coordinator.experts else {
      Terminal.note("this model has no routed experts, so its tokens take no link")
      return
    }
    let sequences = RandomSequences(session, sequences: 1)
    let cache = try sequences.makeCache(capacity: plan.promptTokens + plan.generateTokens + 2)
    try sequences.prefill(cache, count: plan.promptTokens)
    for _ in 0..<2 { try sequences.decode([cache]) }
    let before = try prober.workers.indices.map { try prober.clock(worker: $0) }
    let passes = (plan.promptTokens + session.trunk.maxStepRows - 1) / session.trunk.maxStepRows
    let recorder = DispatchRecorder(
      callsPerStep: session.trunk.configuration.layerCount * max(passes, 1) * 2,
      workers: prober.workers.count)
    experts.recorder = recorder
    defer { experts.recorder = nil }
    for _ in 0..<3 {
      recorder.beginStep(.prefill, at: MonotonicTime.nanoseconds)
      try sequences.prefill(cache, count: plan.promptTokens)
      recorder.endStep(at: MonotonicTime.nanoseconds)
    }
    for _ in 0..<plan.generateTokens {
      recorder.beginStep(.decode, at: MonotonicTime.nanoseconds)
      try sequences.decode([cache])
      recorder.endStep(at: MonotonicTime.nanoseconds)
    }
    experts.recorder = nil
    let after = try prober.workers.indices.map { try prober.clock(worker: $0) }
    let clocks: [ClockMap?] = zip(before, after).map { ClockMap($0, $1) }
    self.clocks = clocks
    model = session.archive.path.split(separator: "/").last.map(String.init)
    traces = [StepKind.decode, .prefill].map {
      TraceSummary($0, of: recorder.steps, clocks: clocks)
    }
  }

  /// What a worker is called, by the index of its link.
  func label(_ worker: Int) -> String {
    figures.indices.contains(worker) ? figures[worker].label : "worker \(worker)"
  }

  /// The clock's offset of a probe's worker.
  func clock(of probe: ProbeResult) -> ClockOffset {
    figures.first { $0.worker == probe.worker }?.clock ?? ClockOffset()
  }
}

extension ProbeTransport {
  /// The place in tables: what does least comes first.
  fileprivate var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}

extension TraceSummary {
  /// Where a token's time goes, in words.
  func words(_ label: (Int) -> String) -> [String] {
    guard path.total > 0, steps.count > 0 else { return [] }
    // What rounds to nothing is not worth a word.
    let parts = PathPart.allCases.filter { path[$0] * 200 >= path.total }
      .sorted { path[$0] > path[$1] }
      .map { "\($0.text) \(percent(path[$0], of: path.total))" }
    let what = kind == .decode ? "a token" : "a prompt"
    var lines = ["\(what) takes \(Quantity.time(steps.p50)): \(parts.joined(separator: ", "))"]
    for culprit in culprits.prefix(3) {
      let whom = culprit.worker.map { "waits for \(label($0))" } ?? "waits for shared experts"
      lines.append(
        "layer \(culprit.layer) \(whom), \(percent(culprit.share)) \(culprit.part.text), "
          + "\(Quantity.time(.nanoseconds(Int64(clamping: culprit.nanoseconds))))")
    }
    return lines
  }

  private func percent(_ part: UInt64, of whole: UInt64) -> String {
    percent(Double(part) / Double(max(whole, 1)))
  }

  private func percent(_ share: Double) -> String { "\(Int((share * 100).rounded())) %" }
}
