/// Numbers between bounds, as decimals without exponent.
struct DecimalRange {
  /// A bound by its digits; the sign is the owner's.
  struct Bound {
    var whole: [UInt8]  // digits, without leading zeros, at least one
    var fraction: [UInt8]
    var isIncluded: Bool

    func digit(_ position: Int) -> UInt8 {
      position < fraction.count ? fraction[position] : 0
    }

    /// Whether only zeros follow after so many digits of the fraction.
    func isOver(at position: Int) -> Bool { fraction.dropFirst(position).allSatisfy { $0 == 0 } }
  }

  /// Digits before the point, as many as numbers without bounds have.
  static let wholeLimit = 16
  /// Digits of a number that a reader of doubles tells from its neighbours.
  private static let preciseDigits = 15

  private let low: (value: Double, isIncluded: Bool)
  private let high: (value: Double, isIncluded: Bool)
  private let fractionLimit: Int

  /// A range that holds at least one number, or nil.
  init?(low: (value: Double, isIncluded: Bool), high: (value: Double, isIncluded: Bool)) {
    guard low.value < high.value || low.value == high.value && low.isIncluded && high.isIncluded
    else { return nil }
    self.low = low
    self.high = high
    let digits = [low.value, high.value].filter(\.isFinite).map { Self.digits(of: $0).whole.count }
    fractionLimit = max(1, Self.preciseDigits - (digits.max() ?? 0))
  }

  /// Reads the numbers of the range.
  func read(
    in rule: GrammarBuilder.Rule, from start: GrammarBuilder.Node, to end: GrammarBuilder.Node,
    _ builder: inout GrammarBuilder
  ) {
    if high.value > 0 || high.value == 0 && high.isIncluded {
      let least = low.value < 0 ? (value: 0, isIncluded: true) : low
      read(least, high, in: rule, from: start, to: end, &builder)
    }
    if low.value < 0 {
      let sign = builder.node(in: rule)
      builder.read("-".utf8, from: start, to: sign)
      let least = high.value < 0 ? (-high.value, high.isIncluded) : (value: 0, isIncluded: false)
      read(least, (-low.value, low.isIncluded), in: rule, from: sign, to: end, &builder)
    }
  }

  /// A number without sign; bounds are not negative.
  private func read(
    _ low: (value: Double, isIncluded: Bool), _ high: (value: Double, isIncluded: Bool),
    in rule: GrammarBuilder.Rule, from start: GrammarBuilder.Node, to end: GrammarBuilder.Node,
    _ builder: inout GrammarBuilder
  ) {
    // What is cut off a bound lies above the rest.
    guard let least = bound(low, isIncludedWhenCut: false) else { return }
    var reader = DecimalReader(
      least, bound(high, isIncludedWhenCut: true), fractionLimit, rule, end)
    reader.read(from: start, &builder)
  }

  /// The bound, cut to the digits that are written; nil where it is beyond all numbers.
  private func bound(
    _ bound: (value: Double, isIncluded: Bool), isIncludedWhenCut: Bool
  ) -> Bound? {
    guard bound.value < 1e16 else { return nil }
    let (whole, fraction) = Self.digits(of: bound.value)
    let isCut = fraction.dropFirst(fractionLimit).contains { $0 > 0 }
    return Bound(
      whole: whole, fraction: Array(fraction.prefix(fractionLimit)),
      isIncluded: isCut ? isIncludedWhenCut : bound.isIncluded)
  }

  /// The digits of the shortest decimal that is the number, without its sign.
  private static func digits(of number: Double) -> (whole: [UInt8], fraction: [UInt8]) {
    let parts = "\(number.magnitude)".split(separator: "e")
    let exponent = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
    let mantissa = parts[0].split(separator: ".", omittingEmptySubsequences: false)
    var whole = mantissa[0].utf8.map { $0 &- 0x30 }
    var fraction = mantissa.count > 1 ? mantissa[1].utf8.map { $0 &- 0x30 } : []
    for _ in 0..<max(exponent, 0) {
      whole.append(fraction.first ?? 0)
      fraction = Array(fraction.dropFirst())
    }
    for _ in 0..<max(-exponent, 0) {
      fraction.insert(whole.last ?? 0, at: 0)
      whole = whole.dropLast()
    }
    whole = Array(whole.drop { $0 == 0 })
    return (whole.isEmpty ? [0] : whole, fraction)
  }
}

/// Follows the digits of both bounds while a number may still be on one of them.
private struct DecimalReader {
  /// Whether the digits so far are those of a bound.
  private struct Touching: Hashable {
    var low: Bool
    var high: Bool
  }

  private struct Place: Hashable {
    let length: Int  // of the digits before the point; 0 in the fraction
    let position: Int
    let touching: Touching
  }

  private let low: DecimalRange.Bound
  private let high: DecimalRange.Bound?
  private let fractionLimit: Int
  private let rule: GrammarBuilder.Rule
  private let end: GrammarBuilder.Node
  private var nodes: [Place: GrammarBuilder.Node] = [:]

  init(
    _ low: DecimalRange.Bound, _ high: DecimalRange.Bound?, _ fractionLimit: Int,
    _ rule: GrammarBuilder.Rule, _ end: GrammarBuilder.Node
  ) {
    self.low = low
    self.high = high
    self.fractionLimit = fractionLimit
    self.rule = rule
    self.end = end
  }

  mutating func read(from start: GrammarBuilder.Node, _ builder: inout GrammarBuilder) {
    let longest = high?.whole.count ?? DecimalRange.wholeLimit
    guard low.whole.count <= longest else { return }
    for length in low.whole.count...longest {
      let touching = Touching(
        low: length == low.whole.count, high: length == high?.whole.count)
      readWhole(length, 0, touching, from: start, &builder)
    }
  }

  private mutating func readWhole(
    _ length: Int, _ position: Int, _ touching: Touching, from node: GrammarBuilder.Node,
    _ builder: inout GrammarBuilder
  ) {
    guard position < length else { return readFraction(0, touching, from: node, &builder) }
    let least = touching.low ? low.whole[position] : position == 0 && length > 1 ? 1 : 0
    let most = touching.high ? high?.whole[position] ?? 9 : 9
    readDigit(least, most, touching, from: node, &builder) { reader, next, digit, builder in
      let place = Place(length: length, position: position + 1, touching: next)
      let (target, isNew) = reader.node(place, &builder)
      builder.read(digit...digit, from: node, to: target)
      if isNew { reader.readWhole(length, position + 1, next, from: target, &builder) }
    }
  }

  /// What may follow `position` digits after the point, the end among it.
  private mutating func readFraction(
    _ position: Int, _ touching: Touching, from node: GrammarBuilder.Node,
    _ builder: inout GrammarBuilder
  ) {
    if mayEnd(position, touching) { builder.jump(from: node, to: end) }
    guard position < fractionLimit else { return }
    var start = node
    if position == 0 {
      start = builder.node(in: rule)
      builder.read(".".utf8, from: node, to: start)
    }
    let least = touching.low ? low.digit(position) : 0
    let most = touching.high ? high?.digit(position) ?? 9 : 9
    readDigit(least, most, touching, from: start, &builder) { reader, next, digit, builder in
      let place = Place(length: 0, position: position + 1, touching: next)
      let (target, isNew) = reader.node(place, &builder)
      builder.read(digit...digit, from: start, to: target)
      if isNew { reader.readFraction(position + 1, next, from: target, &builder) }
    }
  }

  /// Whether the number that ends here is within the bounds.
  private func mayEnd(_ position: Int, _ touching: Touching) -> Bool {
    let isAboveLow = !touching.low || low.isOver(at: position) && low.isIncluded
    guard touching.high, let high else { return isAboveLow }
    return isAboveLow && (!high.isOver(at: position) || high.isIncluded)
  }

  /// Calls `step` with each digit and what is touched after it.
  private mutating func readDigit(
    _ least: UInt8, _ most: UInt8, _ touching: Touching, from node: GrammarBuilder.Node,
    _ builder: inout GrammarBuilder,
    step: (inout Self, Touching, UInt8, inout GrammarBuilder) -> Void
  ) {
    guard least <= most else { return }
    for digit in least...most {
      let next = Touching(
        low: touching.low && digit == least, high: touching.high && digit == most)
      step(&self, next, digit + 0x30, &builder)
    }
  }

  private mutating func node(
    _ place: Place, _ builder: inout GrammarBuilder
  ) -> (GrammarBuilder.Node, isNew: Bool) {
    if let known = nodes[place] { return (known, false) }
    let new = builder.node(in: rule)
    nodes[place] = new
    return (new, true)
  }
}
