import ArgumentParser
import Coordinator
import Telemetry

/// Round trips to every worker.
struct Latency: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measures round trips to every worker.",
    discussion: """
      Each probe carries the payload to the worker and back, over the connection that dispatches \
      use, one probe at a time; the worker computes nothing, and no model is needed. Times are \
      those that the coordinator's clock sees, in JSON in microseconds.
      """)

  @Argument(help: "A model whose experts the workers load first. (default: none)")
  var model: String?

  @Option(
    help: ArgumentHelp("Payload sizes, for example 1KiB,64KiB,1MiB.", valueName: "sizes"))
  var sizes = ByteCountList(argument: "1KiB,5440,64KiB,1MiB") ?? ByteCountList(values: [])

  @Option(help: ArgumentHelp("Probes for each worker and size.", valueName: "count"))
  var count = 200

  @Flag(help: "Print one JSON object.")
  var json = false

  @OptionGroup(title: "Model") var modelArguments: ModelArguments
  @OptionGroup(title: "Cluster") var clusterArguments: ClusterArguments
  @OptionGroup(title: "Computing") var computeArguments: ComputeArguments

  private static let noLink =
    "there is no link to measure; give --workers, or --listen and --expect"

  mutating func validate() throws {
    guard (1...1_000_000).contains(count) else {
      throw ValidationError("--count must be from 1 to 1000000, not \(count)")
    }
    if clusterArguments.kind == .none {
      throw ValidationError(Self.noLink)
    }
  }

  func run() throws {
    let results = try withWorkers { coordinator in
      try sizes.values.flatMap { try coordinator.probe(payloadByteCount: $0, count: count) }
    }
    let links = results.sorted {
      ($0.worker, $0.payloadByteCount) < ($1.worker, $1.payloadByteCount)
    }
    if json {
      try Output.json(["links": .array(links.map(Self.json))])
    } else {
      for line in Self.table(links).lines(style: .results) { try Output.line(line) }
    }
  }

  private func withWorkers<Value>(
    _ body: (ClusterCoordinator) throws -> Value
  ) throws -> Value {
    if let model {
      return try ModelSession.withSession(
        model, modelArguments, clusterArguments, computeArguments
      ) { session in
        guard let cluster = session.cluster else { throw CommandFailure(Self.noLink) }
        return try body(cluster.coordinator)
      }
    }
    let cluster = try ClusterSession(
      clusterArguments, computeArguments, serving: .none, file: nil,
      kernels: computeArguments.makeKernels(), maxRows: 1)
    guard let cluster else { throw CommandFailure(Self.noLink) }
    defer { cluster.close() }
    try cluster.gather()
    return try body(cluster.coordinator)
  }

  private static func json(_ link: ProbeResult) -> JSONText {
    let times = link.roundTrips
    return .object([
      ("worker", .string("\(link.worker)")), ("label", .string(link.label)),
      ("payloadBytes", .integer(link.payloadByteCount)), ("count", .integer(times.count)),
      ("p50", .number(times.p50.microseconds)), ("p90", .number(times.p90.microseconds)),
      ("p99", .number(times.p99.microseconds)), ("max", .number(times.max.microseconds)),
      ("mean", .number(times.mean.microseconds)),
    ])
  }

  private static func table(_ links: [ProbeResult]) -> Table {
    var table = Table(
      ["worker", "payload", "probes", "p50", "p90", "p99", "max"], rightAligned: [1, 2, 3, 4, 5, 6])
    for link in links {
      let times = link.roundTrips
      table.add(
        [link.label, Quantity.bytes(link.payloadByteCount), "\(times.count)"]
          + [times.p50, times.p90, times.p99, times.max].map(Quantity.time))
    }
    return table
  }
}
