import ArgumentParser
import Coordinator
import Foundation
import Telemetry

/// Where the time between machines goes.
struct Latency: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measures every link, and where a token's time goes.",
    discussion: """
      Without a model, probes carry payloads to each worker and back, over the connection that \
      dispatches use, over plain TCP beside it, and over ZeroMQ with encryption if dispatches use \
      none, or without; the worker computes nothing. Probes are sent by a fixed schedule, and a \
      round trip counts from its scheduled moment. With a model, a prompt and an answer of random \
      tokens follow, and every dispatch of every layer is taken apart. Times in JSON and CSV are \
      microseconds. With --data-port N, plain TCP uses port N + 1, the other connection N + 2.
      """)

  @Argument(help: "A model to follow tokens through. (default: none, links only)")
  var model: String?

  @Option(
    help: ArgumentHelp("Payload sizes, for example 1KiB,64KiB,1MiB.", valueName: "sizes"))
  var sizes = ByteCountList(argument: "1KiB,5440,64KiB,1MiB") ?? ByteCountList(values: [])

  @Option(help: ArgumentHelp("Probes for each worker, size and transport.", valueName: "count"))
  var count = 200

  @Option(
    help: ArgumentHelp(
      "Microseconds from one probe to the next. (default: 4 round trips, at least 2000)",
      valueName: "microseconds"))
  var interval: Int?

  @Option(
    name: .customLong("prompt-tokens"),
    help: ArgumentHelp("Prompt to follow, with a model.", valueName: "tokens"))
  var promptTokens = 128

  @Option(
    name: .customLong("generate-tokens"),
    help: ArgumentHelp("Tokens to follow, with a model.", valueName: "tokens"))
  var generateTokens = 32

  @Flag(help: "Keep measuring and show the last second, until Ctrl-C.")
  var watch = false

  @Flag(help: "Print one JSON object.")
  var json = false

  @Flag(help: "Print comma-separated values.")
  var csv = false

  @Option(help: ArgumentHelp("Also write a report with charts, one file.", valueName: "file"))
  var html: String?

  @Option(
    help: ArgumentHelp(
      "Also keep the histograms; a file that exists is added to.", valueName: "file"))
  var save: String?

  @Option(
    help: ArgumentHelp(
      "Also say what changed since that file was saved, beyond noise.", valueName: "file"))
  var baseline: String?

  @OptionGroup(title: "Model") var modelArguments: ModelArguments
  @OptionGroup(title: "Cluster") var clusterArguments: ClusterArguments
  @OptionGroup(title: "Computing") var computeArguments: ComputeArguments

  private static let noLink =
    "there is no link to measure; give --workers, or --listen and --expect"

  mutating func validate() throws {
    guard (1...1_000_000).contains(count) else {
      throw ValidationError("--count must be from 1 to 1000000, not \(count)")
    }
    if let interval, !(0...60_000_000).contains(interval) {
      throw ValidationError("--interval must be from 0 to 60000000, not \(interval)")
    }
    for (option, value) in [
      ("--prompt-tokens", promptTokens), ("--generate-tokens", generateTokens),
    ] where !(1...100_000).contains(value) {
      throw ValidationError("\(option) must be from 1 to 100000, not \(value)")
    }
    if watch, json || csv || html != nil || save != nil || baseline != nil || model != nil {
      throw ValidationError("--watch shows links only; leave out the model and other outputs")
    }
    if json, csv { throw ValidationError("--json and --csv exclude each other; give one of them") }
  }

  func run() throws {
    if clusterArguments.kind == .none { throw ValidationError(Self.noLink) }
    for path in [html, save].compactMap(\.self) { try ResultFile.check(path) }
    let known = try baseline.map { try SavedLatencies(path: $0) }
    guard !watch else {
      return try withWorkers { prober, _ in
        try LatencyWatch(prober, sizes: sizes.values, interval: probeInterval).run()
      }
    }
    let report = try withWorkers { prober, session in
      var report = try LatencyReport(probing: prober, plan)
      if let session { try report.follow(session, prober, plan) }
      return report
    }
    if let html { try LatencyPage(report).write(to: html) }
    let saved = SavedLatencies(report)
    if let save { try saved.add(to: save) }
    if json {
      try Output.line(JSONText.object(report.json(changes: known?.changes(to: saved))).text)
    } else {
      for line in csv ? report.csv : report.lines { try Output.line(line) }
      guard let known else { return }
      // Between the lines of a CSV file they would be in the way.
      for line in known.lines(comparedTo: saved) {
        if csv { Terminal.note(line) } else { try Output.line(line) }
      }
    }
  }

  private var probeInterval: Duration? { interval.map { .microseconds($0) } }

  private var plan: LatencyPlan {
    LatencyPlan(
      sizes: sizes.values, count: count, interval: probeInterval, promptTokens: promptTokens,
      generateTokens: generateTokens)
  }

  private func withWorkers<Value>(
    _ body: (LinkProber, ModelSession?) throws -> Value
  ) throws -> Value {
    if let model {
      return try ModelSession.withSession(
        model, modelArguments, clusterArguments, computeArguments
      ) { session in
        guard let cluster = session.cluster else { throw CommandFailure(Self.noLink) }
        return try body(try prober(cluster), session)
      }
    }
    let cluster = try ClusterSession(
      clusterArguments, computeArguments, serving: .none, file: nil,
      kernels: computeArguments.makeKernels(), maxRows: 1)
    guard let cluster else { throw CommandFailure(Self.noLink) }
    defer { cluster.close() }
    try cluster.gather()
    return try body(try prober(cluster), nil)
  }

  private func prober(_ cluster: ClusterSession) throws -> LinkProber {
    guard let prober = cluster.coordinator.prober else { throw CommandFailure(Self.noLink) }
    let port = clusterArguments.dataPort
    for worker in try prober.connectPlainly(port: port.map { $0 + 1 }) {
      Self.noteMissing(.tcp, of: worker, port.map { $0 + 1 })
    }
    let other: ProbeTransport = prober.dataTransport == .curve ? .zeromq : .curve
    for worker in try prober.connectOtherwise(port: port.map { $0 + 2 }) {
      Self.noteMissing(other, of: worker, port.map { $0 + 2 })
    }
    return prober
  }

  private static func noteMissing(_ transport: ProbeTransport, of worker: String, _ port: Int?) {
    Terminal.note(
      "\(worker) made no connection for \(transport.text), so it is measured without; let it reach "
        + "port \(port.map(String.init) ?? "(any; fix it with --data-port)")")
  }
}
