import DeepSeek

/// Where the time of a prompt goes, and how many multiplications each part makes of it.
struct PromptBreakdown {
  private struct Part {
    let part: StepPart
    let productCount: Int
    let duration: Duration
  }

  private let tokens: Int
  private let parts: [Part]

  /// Runs a prompt of `tokens` tokens `repetitions` times.
  init(
    _ session: ModelSession, _ sequences: RandomSequences, tokens: Int, repetitions: Int
  ) throws {
    let cache = try sequences.makeCache(capacity: tokens)
    let profile = try sequences.profile {
      for _ in 0..<repetitions { try sequences.prefill(cache, count: tokens) }
    }
    self.tokens = tokens
    parts = StepPart.allCases.map { part in
      // A token attends to half of the prompt on average; only the last one has logits.
      let cost = session.trunk.cost(of: part, length: (tokens + 1) / 2)
      return Part(
        part: part, productCount: cost.productCount * (part == .head ? 1 : tokens),
        duration: profile.duration(of: part) / repetitions)
    }
  }

  private var duration: Duration { parts.reduce(.zero) { $0 + $1.duration } }

  var lines: [String] {
    var table = Table(
      ["a prompt of \(tokens) tokens", "billion products", "time", "share", "per second"],
      rightAligned: [1, 2, 3, 4])
    for part in parts where part.duration > .zero {
      table.add(row(part.part.text, part.productCount, part.duration))
    }
    table.add(row("together", parts.reduce(0) { $0 + $1.productCount }, duration))
    return table.lines(style: .results)
  }

  private func row(_ name: String, _ products: Int, _ time: Duration) -> [String] {
    let speed = Double(products) / max(time / .nanoseconds(1), 1)
    return [
      name, products > 0 ? Quantity.number(Double(products) * 1e-9) : "", Quantity.time(time),
      "\(Quantity.number(100 * (time / duration))) %", products > 0 ? Quantity.number(speed) : "",
    ]
  }

  var json: JSONText {
    .object([
      ("promptTokens", .integer(tokens)),
      ("microseconds", .number(duration / .microseconds(1))),
      (
        "parts",
        .array(
          parts.map { part in
            .object([
              ("part", .string("\(part.part)")), ("name", .string(part.part.text)),
              ("products", .integer(part.productCount)),
              ("microseconds", .number(part.duration / .microseconds(1))),
            ])
          })
      ),
    ])
  }
}
