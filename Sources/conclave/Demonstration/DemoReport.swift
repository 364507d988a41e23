import Coordinator
import DeepSeek
import Experts
import Foundation
import Inference
import Placement
import Telemetry

/// What the demo says before and after its answers.
struct DemoReport {
  private let session: ModelSession
  private let overview: ModelOverview
  private let style = Style.results

  init(_ session: ModelSession) {
    self.session = session
    overview = ModelOverview(session.archive, session.configuration)
  }

  /// The model, and who holds what.
  func introduce() throws {
    let configuration = session.configuration
    let experts = configuration.mixture?.expertCount ?? 0
    try Output.line(
      "\n\(style.bold("Conclave")): a DeepSeek-V2 model of \(Quantity.count(overview.parameters))"
        + " parameters. \(overview.expertCount) routed experts, \(experts) in each of"
        + " \(overview.mixtureLayers) layers,\nlive on \(holders.count) worker processes;"
        + " everything else is here, with the coordinator.\n")
    var table = Table(["process", "pid", "holds", "experts", "memory"], rightAligned: [1, 3, 4])
    table.add([
      "coordinator", "\(ProcessInfo.processInfo.processIdentifier)",
      "embedding, attention, routers, shared experts, head", "–",
      Quantity.bytes(overview.trunkBytes),
    ])
    for holder in holders {
      table.add([
        holder.name, holder.process, holder.groups, "\(holder.experts)",
        Quantity.bytes(holder.bytes),
      ])
    }
    for line in table.lines(style: style, indent: 2) { try Output.line(line) }
    try Output.line()
  }

  /// Speed, and the latency of each link.
  func sumUp(_ answers: [GenerationSummary]) throws {
    let decoded = answers.reduce(0) { $0 + max($1.outputTokens - 1, 0) }
    let decoding = answers.reduce(Duration.zero) { $0 + $1.decodeDuration }
    let prompts = answers.reduce(0) { $0 + $1.promptTokens }
    let prefilling = answers.reduce(Duration.zero) { $0 + $1.prefillDuration }
    let total = answers.reduce(0) { $0 + $1.outputTokens }
    try Output.line(
      "\(style.bold("Summary")): \(total) tokens in \(Quantity.time(decoding)),"
        + " \(style.good("\(rate(decoded, decoding)) tokens/s"));"
        + " prompts of \(prompts) tokens at \(rate(prompts, prefilling)) tokens/s\n")
    var table = Table(
      ["dispatch to combine", "calls", "p50", "p99", "max", "of which computing (p50)"],
      rightAligned: [1, 2, 3, 4, 5])
    for (link, holder) in zip(links, holders) {
      let times = link.hops.roundTrip
      table.add(
        [holder.name, "\(times.count)"] + [times.p50, times.p99, times.max].map(Quantity.time)
          + [Quantity.time(link.hops.compute.p50)])
    }
    for line in table.lines(style: style, indent: 2) { try Output.line(line) }
    try Output.line()
  }

  private func rate(_ count: Int, _ duration: Duration) -> String {
    let seconds = duration / .seconds(1)
    return seconds > 0 ? Quantity.number(Double(count) / seconds) : "–"
  }

  private var links: [LinkLatencies] {
    (session.cluster?.coordinator.latencies ?? []).sorted { $0.worker < $1.worker }
  }

  /// A worker and its share.
  private struct Holder {
    let name: String
    let process: String
    let groups: String
    let experts: Int
    let bytes: Int
  }

  private var holders: [Holder] {
    guard let coordinator = session.cluster?.coordinator, let plan = coordinator.plan,
      let geometry = coordinator.experts?.geometry
    else { return [] }
    return coordinator.workers.sorted { $0.id < $1.id }.map { worker in
      let units = plan.units(of: worker.id)
      return Holder(
        name: "\(worker.id)",
        process: worker.name.split(separator: ":").last.map(String.init) ?? "",
        groups: text(units), experts: units.reduce(0) { $0 + geometry.experts(in: $1.group).count },
        bytes: plan.byteCount(of: worker.id, geometry))
    }
  }

  /// `expert groups 0, 1 in each of 5 layers`, or how many of all where layers differ.
  private func text(_ units: [PlacementUnit]) -> String {
    let groups = Set(units.map(\.group)).sorted()
    let layers = Set(units.map(\.layer))
    guard units.count == groups.count * layers.count else {
      return "\(units.count) expert groups in \(layers.count) layers"
    }
    let list = groups.map(\.description).joined(separator: ", ")
    return
      "expert \(groups.count == 1 ? "group" : "groups") \(list) in each of \(layers.count) layers"
  }
}
