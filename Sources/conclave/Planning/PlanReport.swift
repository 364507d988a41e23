import Experts
import Kernels
import Planning

/// A plan as lines for people.
struct PlanReport {
  private let plan: ClusterPlan
  private let model: PlannedModel
  private let request: PlanRequest
  private let cluster: ClusterDescription
  private let style = Style.results

  init(
    _ plan: ClusterPlan, _ model: PlannedModel, _ request: PlanRequest,
    _ cluster: ClusterDescription
  ) {
    self.plan = plan
    self.model = model
    self.request = request
    self.cluster = cluster
  }

  var lines: [String] {
    [style.bold(model.name), "  " + sizes] + [""] + holdings.lines(style: style) + [""] + speeds
      + [""] + parts.lines(style: style) + links + [""] + batches.lines(style: style) + [""]
      + changes.lines(style: style)
  }

  private var sizes: String {
    let cache = model.cacheBytesPerToken(plan.kvFormat)
    let routed = model.experts.map { "\(Quantity.bytes($0.byteCount)) of routed experts, " } ?? ""
    return routed + "\(Quantity.bytes(model.trunkByteCount)) of trunk, "
      + "\(Quantity.bytes(cache)) of keys and values per token as \(plan.kvFormat.rawValue)"
  }

  /// At most this many workers are listed one by one.
  private static let mostRows = 16

  private var holdings: Table {
    var table = Table(
      ["host", "memory", "trunk", "keys and values", "experts", "groups", "used"],
      rightAligned: [1, 2, 3, 4, 5, 6])
    for holding in plan.holdings.prefix(Self.mostRows + 1) {
      let role = holding.isCoordinator ? " (coordinator)" : ""
      table.add([
        holding.name + role, Quantity.bytes(holding.memoryByteCount),
        size(holding.trunkByteCount), size(holding.cacheByteCount), size(holding.expertByteCount),
        holding.groupCount > 0 ? "\(holding.groupCount)" : "",
        percent(Double(holding.usedByteCount) / Double(max(holding.memoryByteCount, 1))),
      ])
    }
    let rest = plan.holdings.dropFirst(Self.mostRows + 1)
    if !rest.isEmpty {
      table.add([
        "\(rest.count) more", Quantity.bytes(rest.reduce(0) { $0 + $1.memoryByteCount }), "", "",
        Quantity.bytes(rest.reduce(0) { $0 + $1.expertByteCount }),
        "\(rest.reduce(0) { $0 + $1.groupCount })", "",
      ])
    }
    return table
  }

  private func size(_ bytes: Int) -> String { bytes > 0 ? Quantity.bytes(bytes) : "" }

  private func percent(_ share: Double) -> String { "\(Quantity.number(100 * share)) %" }

  private var speeds: [String] {
    [
      "a prompt of \(request.promptTokenCount) tokens: first token after "
        + "\(time(plan.timeToFirstToken)), \(Quantity.number(plan.prefillTokensPerSecond)) tokens/s",
      "one sequence at position \(plan.position): "
        + style.bold("\(Quantity.number(plan.decodeTokensPerSecond)) tokens/s")
        + ", \(time(plan.step.seconds)) a token",
      "it waits most for \(plan.bottleneck)",
    ]
  }

  private func time(_ seconds: Double) -> String { Quantity.time(.seconds(seconds)) }

  private var parts: Table {
    var table = Table(["a token's time", "", "share"], rightAligned: [1, 2])
    for part in StepTime.Part.allCases where plan.step[part] > 0 {
      table.add([
        part.text, time(plan.step[part]), percent(plan.step[part] / plan.step.seconds),
      ])
    }
    return table
  }

  private var links: [String] {
    guard !cluster.workers.isEmpty else { return [] }
    var table = Table(
      ["link, per token", "to the worker", "back", "worker computes"], rightAligned: [1, 2, 3])
    for index in cluster.workers.indices.prefix(Self.mostRows) {
      table.add([
        cluster.workers[index].name, Quantity.bytes(Int(plan.step.sentByteCounts[index])),
        Quantity.bytes(Int(plan.step.receivedByteCounts[index])),
        percent(plan.step.busySeconds[index] / plan.step.seconds),
      ])
    }
    if cluster.workers.count > Self.mostRows {
      table.add([
        "all \(cluster.workers.count)",
        Quantity.bytes(Int(plan.step.sentByteCounts.reduce(0, +))),
        Quantity.bytes(Int(plan.step.receivedByteCounts.reduce(0, +))), "",
      ])
    }
    return [""] + table.lines(style: style)
      + ["a layer's call goes to \(Quantity.number(plan.step.fanOut)) workers on average"]
  }

  private var batches: Table {
    let hasPrices = plan.batches.contains { $0.costPerMillionTokens != nil }
    let price = hasPrices ? ["\(cluster.currency) per million"] : []
    var table = Table(
      ["sequences", "tokens/s", "each"] + price, rightAligned: [0, 1, 2, 3])
    for batch in plan.batches {
      let cost = batch.costPerMillionTokens.map { [Quantity.number($0)] } ?? []
      table.add(
        [
          "\(batch.sequenceCount)", Quantity.number(batch.tokensPerSecond),
          Quantity.number(batch.tokensPerSecond / Double(batch.sequenceCount)),
        ] + cost)
    }
    return table
  }

  private var changes: Table {
    let largest = plan.batches.max { $0.sequenceCount < $1.sequenceCount }
    let count = largest?.sequenceCount ?? 1
    var table = Table(
      ["with", "1 sequence", "gain", "\(count) sequences", "gain", "prompt", "gain"],
      rightAligned: [1, 2, 3, 4, 5, 6])
    for change in plan.changes {
      table.add([
        change.name, Quantity.number(change.decodeTokensPerSecond),
        gain(change.decodeTokensPerSecond, plan.decodeTokensPerSecond),
        Quantity.number(change.batchTokensPerSecond),
        gain(change.batchTokensPerSecond, largest?.tokensPerSecond ?? 0),
        Quantity.number(change.prefillTokensPerSecond),
        gain(change.prefillTokensPerSecond, plan.prefillTokensPerSecond),
      ])
    }
    return table
  }

  private func gain(_ new: Double, _ old: Double) -> String {
    guard old > 0 else { return "" }
    let percent = Int((100 * (new / old - 1)).rounded())
    return percent >= 0 ? "+\(percent) %" : "\(percent) %"
  }
}

extension StepTime.Part {
  /// What people read.
  var text: String {
    switch self {
    case .attentionProjections: "attention projections"
    case .attention: "attention"
    case .dense: "dense layers"
    case .routers: "routers"
    case .shared: "shared experts"
    case .experts: "routed experts, computing"
    case .transfer: "routed experts, bytes on links"
    case .roundTrips: "routed experts, round trips"
    case .software: "routed experts, software of calls"
    case .head: "head"
    case .rest: "rest"
    }
  }
}
