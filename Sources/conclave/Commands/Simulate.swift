import ArgumentParser
import Planning
import Simulation

/// A cluster under load, on a virtual clock.
struct Simulate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Runs users, links and failures of a cluster on a virtual clock.",
    discussion: """
      The engine's scheduler and the placement are those of production; machines and links are those \
      of the hosts file; users come by chance. Minutes of a cluster take seconds. The same seed \
      gives the same run.
      """)

  @OptionGroup var planning: PlanningArguments

  @Option(help: ArgumentHelp("Requests.", valueName: "count"))
  var requests = 200

  @Option(help: ArgumentHelp("Requests per second, on average.", valueName: "number"))
  var rate = 0.5

  @Option(
    name: .customLong("prompt-tokens"),
    help: ArgumentHelp("The median of prompts.", valueName: "tokens"))
  var promptTokens = 100

  @Option(
    name: .customLong("answer-tokens"),
    help: ArgumentHelp("The median of answers.", valueName: "tokens"))
  var answerTokens = 90

  @Option(
    name: .customLong("max-requests"),
    help: ArgumentHelp("Requests that run at a time; more wait.", valueName: "count"))
  var maxSequences = 64

  @Option(
    name: .customLong("max-itl"),
    help: ArgumentHelp(
      "Milliseconds that a step beside prompts may take. (default: twice as long as without)",
      valueName: "ms"))
  var maxInterTokenLatency: Double?

  @Option(
    name: .customLong("late-share"),
    help: ArgumentHelp("The part of replies that come late, from 0 to 1.", valueName: "number"))
  var lateShare = 0.0

  @Option(
    name: .customLong("late-by"),
    help: ArgumentHelp("How late they are, for example 20ms.", valueName: "time"))
  var lateBy = "20ms"

  @Option(
    name: .customLong("lose"),
    help: ArgumentHelp(
      "A worker that dies, by its place in the hosts file, and when: 2@30s. May be repeated.",
      valueName: "worker@time"))
  var losses: [String] = []

  @Option(help: ArgumentHelp("Another seed is another run.", valueName: "number"))
  var seed: UInt64 = 1

  @Flag(help: "Print one JSON object.")
  var json = false

  mutating func validate() throws {
    for (name, value) in [
      ("--requests", requests), ("--prompt-tokens", promptTokens),
      ("--answer-tokens", answerTokens), ("--max-requests", maxSequences),
    ] where !(1...1_000_000).contains(value) {
      throw ValidationError("\(name) must be from 1 to 1000000, not \(value)")
    }
    guard rate > 0, rate <= 1e6 else {
      throw ValidationError("--rate must be above 0, not \(rate)")
    }
    guard (0...1).contains(lateShare) else {
      throw ValidationError("--late-share must be from 0 to 1, not \(lateShare)")
    }
    if let limit = maxInterTokenLatency, !(0.01...1e6).contains(limit) {
      throw ValidationError(
        "--max-itl must be from 0.01 to 1000000 milliseconds, not \(limit)")
    }
    _ = try faults()
  }

  private func faults() throws -> Faults {
    var faults = Faults()
    faults.lateShare = lateShare
    guard let late = Measure(lateBy, of: .duration) else {
      throw ValidationError("--late-by must be a time like 20ms, not \(lateBy)")
    }
    faults.lateSeconds = late.value
    faults.losses = try losses.map { text in
      let parts = text.split(separator: "@")
      guard parts.count == 2, let worker = Int(parts[0]), worker > 0,
        let time = Measure(String(parts[1]), of: .duration)
      else { throw ValidationError("--lose must look like 2@30s, not \(text)") }
      return Faults.Loss(worker: worker - 1, time: time.value)
    }
    return faults
  }

  func run() throws {
    let model = try planning.plannedModel()
    let cluster = try HostsFile.read(planning.hosts)
    let planner = Planner(model, planning.request, trace: try planning.trace(for: model))
    let faults = try faults()
    for loss in faults.losses where loss.worker >= cluster.workers.count {
      throw CommandFailure(
        "--lose \(loss.worker + 1): the hosts file has \(cluster.workers.count) workers")
    }
    var workload = Workload()
    workload.requestCount = requests
    workload.requestsPerSecond = rate
    workload.promptMedian = promptTokens
    workload.answerMedian = answerTokens
    workload.contextLength = planning.context
    var limits = ClusterSimulation.Limits()
    limits.maxSequences = maxSequences
    limits.maxStepRows = planning.stepTokens
    limits.maxInterTokenLatency = maxInterTokenLatency.map { .milliseconds($0) }
    limits.cachedTokenCount = planning.context * planning.sequences
    var simulation = try ClusterSimulation(
      planner, on: cluster, workload, faults: faults, limits: limits, seed: seed)
    let report = SimulationTable(simulation.run(), seed: seed)
    if json { return try Output.line(report.json.text) }
    for line in report.lines { try Output.line(line) }
  }
}
