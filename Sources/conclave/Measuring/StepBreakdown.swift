import DeepSeek

/// Where the time of one decode step goes, and what each part has to read.
struct StepBreakdown {
  struct Part {
    let part: StepPart
    let cost: StepCost
    let duration: Duration
  }

  let parts: [Part]
  /// Positions that the step attends to, on average.
  let length: Int

  /// Decodes after a prompt of `prompt` tokens.
  init(
    _ session: ModelSession, _ sequences: RandomSequences, prompt: Int, _ plan: ThroughputPlan
  ) throws {
    let steps = plan.generateTokens
    let cache = try sequences.makeCache(capacity: prompt + steps)
    try sequences.prefill(cache, count: prompt)
    let profile = try sequences.profile {
      for _ in 0..<steps { try sequences.decode([cache]) }
    }
    let length = prompt + steps / 2
    self.length = length
    parts = StepPart.allCases.map { part in
      Part(
        part: part, cost: session.trunk.cost(of: part, length: length),
        duration: profile.duration(of: part) / steps)
    }
  }

  /// The whole step.
  var duration: Duration { parts.reduce(.zero) { $0 + $1.duration } }

  private var byteCount: Int { parts.reduce(0) { $0 + $1.cost.byteCount } }

  var lines: [String] {
    var table = Table(
      ["a decode step at position \(length)", "bytes", "time", "share", "GB/s"],
      rightAligned: [1, 2, 3, 4])
    for part in parts where part.duration > .zero {
      table.add(row(part.part.text, part.cost.byteCount, part.duration))
    }
    table.add(row("together", byteCount, duration))
    return table.lines(style: .results)
  }

  private func row(_ name: String, _ bytes: Int, _ time: Duration) -> [String] {
    let speed = Double(bytes) / max(time / .nanoseconds(1), 1)
    return [
      name, bytes > 0 ? Quantity.bytes(bytes) : "", Quantity.time(time),
      "\(Quantity.number(100 * (time / duration))) %", bytes > 0 ? Quantity.number(speed) : "",
    ]
  }

  var json: JSONText {
    .object([
      ("position", .integer(length)), ("microseconds", .number(duration / .microseconds(1))),
      ("bytes", .integer(byteCount)),
      (
        "parts",
        .array(
          parts.map { part in
            .object([
              ("part", .string("\(part.part)")), ("name", .string(part.part.text)),
              ("bytes", .integer(part.cost.byteCount)),
              ("products", .integer(part.cost.productCount)),
              ("microseconds", .number(part.duration / .microseconds(1))),
            ])
          })
      ),
    ])
  }
}

extension StepPart {
  /// What people read.
  var text: String {
    switch self {
    case .attentionProjections: "attention projections"
    case .attention: "attention"
    case .router: "router"
    case .experts: "routed experts"
    case .shared: "shared experts"
    case .dense: "dense layers"
    case .head: "head"
    case .rest: "rest"
    }
  }
}
