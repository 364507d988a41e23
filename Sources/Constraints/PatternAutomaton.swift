/// A pattern as a graph of nodes: what is read, and where nothing has to be read, between them.
///
/// It finds what the pattern describes anywhere in a text, as JSON Schema wants it.
struct PatternAutomaton {
  struct Node {
    var edges: [(set: ScalarSet, target: Int)] = []
    var jumps: [Int] = []
    var jumpsAtStart: [Int] = []
    var jumpsToEnd: [Int] = []

    var wayCount: Int { edges.count + jumps.count + jumpsAtStart.count + jumpsToEnd.count }
  }

  /// More than any sensible pattern needs.
  static let nodeLimit = 10_000
  static let wayLimit = 100_000

  private(set) var nodes: [Node] = []
  private(set) var first = 0
  private(set) var last = 0
  private var partCount = 0

  /// - Throws: When the graph would be too large.
  init(_ pattern: Pattern) throws(PatternProblem) {
    first = try node()
    let start = try node()
    let end = try node()
    last = try node()
    nodes[first].edges.append((.text, first))
    nodes[first].jumps.append(start)
    try add(pattern, from: start, to: end)
    nodes[end].jumps.append(last)
    nodes[last].edges.append((.text, last))
  }

  private mutating func node() throws(PatternProblem) -> Int {
    guard nodes.count < Self.nodeLimit else { throw .tooLarge }
    nodes.append(Node())
    return nodes.count - 1
  }

  private mutating func add(
    _ pattern: Pattern, from start: Int, to end: Int
  ) throws(PatternProblem) {
    partCount += 1
    guard partCount < Self.wayLimit else { throw .tooLarge }
    switch pattern {
    case .one(let set): nodes[start].edges.append((set, end))
    case .start: nodes[start].jumpsAtStart.append(end)
    case .end: nodes[start].jumpsToEnd.append(end)
    case .choice(let branches):
      for branch in branches { try add(branch, from: start, to: end) }
    case .sequence(let parts):
      var place = start
      for part in parts {
        let next = try node()
        try add(part, from: place, to: next)
        place = next
      }
      nodes[place].jumps.append(end)
    case .repeated(let part, let least, let most):
      var place = start
      for index in 0..<(most ?? least) {
        if index >= least { nodes[place].jumps.append(end) }
        let next = try node()
        try add(part, from: place, to: next)
        place = next
      }
      if most == nil {
        // A node of its own: what leads to `place` from elsewhere may not come back to it.
        let loop = try node()
        nodes[place].jumps.append(loop)
        let after = try node()
        try add(part, from: loop, to: after)
        nodes[after].jumps.append(loop)
        place = loop
      }
      nodes[place].jumps.append(end)
    }
  }
}

extension PatternAutomaton {
  /// A way to have read a text so far.
  private struct Reading: Hashable {
    let node: Int
    /// Characters so far; those beyond what matters do not count.
    let count: Int
    let hasEnded: Bool
  }

  /// Reads the characters of a JSON string between the nodes: texts of `lengths` characters in which
  /// the pattern is found.
  ///
  /// - Throws: When that takes more nodes than a grammar may have.
  func read(
    ofLengths least: Int, _ most: Int?, in rule: GrammarBuilder.Rule,
    from start: GrammarBuilder.Node, to end: GrammarBuilder.Node, _ builder: inout GrammarBuilder
  ) throws(PatternProblem) {
    let origin = Reading(node: first, count: 0, hasEnded: false)
    var places = [origin: start]
    var pending = [origin]
    func place(_ reading: Reading, _ builder: inout GrammarBuilder) -> GrammarBuilder.Node {
      if let known = places[reading] { return known }
      let new = builder.node(in: rule)
      places[reading] = new
      pending.append(reading)
      return new
    }
    var wayCount = 0
    while let reading = pending.popLast(), let here = places[reading] {
      let node = nodes[reading.node]
      wayCount += node.wayCount
      guard builder.isWithinLimits, wayCount < Self.wayLimit else { throw .tooLarge }
      for target in node.jumps + (reading.count == 0 ? node.jumpsAtStart : []) {
        let next = Reading(node: target, count: reading.count, hasEnded: reading.hasEnded)
        builder.jump(from: here, to: place(next, &builder))
      }
      for target in node.jumpsToEnd {
        let next = Reading(node: target, count: reading.count, hasEnded: true)
        builder.jump(from: here, to: place(next, &builder))
      }
      if reading.node == last, reading.count >= least { builder.jump(from: here, to: end) }
      guard !reading.hasEnded, reading.count < most ?? .max else { continue }
      let count = most == nil ? min(reading.count + 1, max(least, 1)) : reading.count + 1
      for (set, target) in node.edges {
        let next = Reading(node: target, count: count, hasEnded: false)
        builder.read(set, in: rule, from: here, to: place(next, &builder))
      }
    }
  }
}

extension GrammarBuilder {
  /// One character of a JSON string that is of a set, in the shortest spelling.
  mutating func read(_ set: ScalarSet, in rule: Rule, from start: Node, to end: Node) {
    if set.isPlain {
      for range in set.ranges {
        read(UInt8(range.lowerBound)...UInt8(range.upperBound), from: start, to: end)
      }
    } else {
      call(characterRule(of: set), from: start, to: end)
    }
  }

  private mutating func characterRule(of set: ScalarSet) -> Rule {
    if let known = characters[set] { return known }
    let new = rule()
    characters[set] = new
    let start = node(in: new)
    let end = node(in: new)
    define(new, from: start, to: end)
    for scalar in [UInt32](0...0x1F) + [0x22, 0x5C] where set.contains(scalar) {
      read(Self.escape(of: scalar), from: start, to: end)
    }
    for range in set.ranges {
      for plain in [0x20...0x21, 0x23...0x5B, 0x5D...0x10FFFF] as [ClosedRange<UInt32>]
      where plain.overlaps(range) {
        for sequence in UTF8Ranges(range.clamped(to: plain)).sequences {
          readBytes(sequence, in: new, from: start, to: end)
        }
      }
    }
    return new
  }

  private static func escape(of scalar: UInt32) -> [UInt8] {
    let letters: [UInt32: String] = [
      0x08: "\\b", 0x09: "\\t", 0x0A: "\\n", 0x0C: "\\f", 0x0D: "\\r", 0x22: "\\\"", 0x5C: "\\\\",
    ]
    let digits = String(scalar, radix: 16)
    let spelled =
      letters[scalar] ?? "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    return Array(spelled.utf8)
  }

  private mutating func readBytes(
    _ ranges: [ClosedRange<UInt8>], in rule: Rule, from start: Node, to end: Node
  ) {
    var place = start
    for (index, range) in ranges.enumerated() {
      let next = index == ranges.count - 1 ? end : node(in: rule)
      read(range, from: place, to: next)
      place = next
    }
  }
}

extension ScalarSet {
  fileprivate func contains(_ scalar: UInt32) -> Bool {
    ranges.contains { $0.contains(scalar) }
  }

  /// Whether each of its characters is one byte that stands for itself in a JSON string.
  fileprivate var isPlain: Bool {
    ranges.allSatisfy { range in
      range.lowerBound >= 0x20 && range.upperBound < 0x80 && !range.contains(0x22)
        && !range.contains(0x5C)
    }
  }
}

/// A range of scalars as sequences of ranges of bytes, each of which is right with each of the others.
private struct UTF8Ranges {
  private(set) var sequences: [[ClosedRange<UInt8>]] = []

  /// The range must hold no surrogates.
  init(_ range: ClosedRange<UInt32>) { split(range) }

  private mutating func split(_ range: ClosedRange<UInt32>) {
    let (low, high) = (range.lowerBound, range.upperBound)
    // First by length, then so that all but the leading bytes run over all of their values.
    for limit in [0x7F, 0x7FF, 0xFFFF] as [UInt32] where low <= limit && limit < high {
      split(low...limit)
      return split((limit + 1)...high)
    }
    for shift in high < 0x80 ? [] : [6, 12, 18] as [UInt32] {
      let rest = UInt32(1) << shift - 1
      guard low & ~rest != high & ~rest else { continue }
      if low & rest != 0 {
        split(low...(low | rest))
        return split(((low | rest) + 1)...high)
      }
      if high & rest != rest {
        split(low...((high & ~rest) - 1))
        return split((high & ~rest)...high)
      }
    }
    sequences.append(zip(Self.bytes(of: low), Self.bytes(of: high)).map { $0...$1 })
  }

  private static func bytes(of scalar: UInt32) -> [UInt8] {
    Unicode.Scalar(scalar).map { Array(String($0).utf8) } ?? []
  }
}
