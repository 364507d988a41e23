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
  private let step: DecimalStep?
  private let fractionLimit: Int

  /// A range that may hold a number, or nil.
  ///
  /// - Parameters:
  ///   - low: The lower bound.
  ///   - high: The upper bound.
  ///   - step: What all numbers are multiples of; they then have no digits beyond its own.
  init?(
    low: (value: Double, isIncluded: Bool), high: (value: Double, isIncluded: Bool),
    step: DecimalStep? = nil
  ) {
    guard low.value < high.value || low.value == high.value && low.isIncluded && high.isIncluded
    else { return nil }
    self.low = low
    self.high = high
    self.step = step
    let digits = [low.value, high.value].filter(\.isFinite).map { Self.digits(of: $0).whole.count }
    fractionLimit = step?.decimals ?? max(1, Self.preciseDigits - (digits.max() ?? 0))
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
      least, bound(high, isIncludedWhenCut: true), step, fractionLimit, rule, end)
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
  static func digits(of number: Double) -> (whole: [UInt8], fraction: [UInt8]) {
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

/// What numbers are multiples of (`multipleOf`): a whole number of units of a decimal place.
struct DecimalStep {
  /// The most units; the part of them that shares no divisor with ten counts most.
  private static let unitLimit = 1_000_000
  private static let oddLimit = 400

  /// Digits after the point.
  let decimals: Int
  private let units: Int

  /// Nil unless the number is positive and has few digits.
  init?(_ number: Double) {
    guard number > 0, number <= Double(Self.unitLimit) else { return nil }
    let (whole, fraction) = DecimalRange.digits(of: number)
    let digits = fraction.prefix((fraction.lastIndex { $0 > 0 } ?? -1) + 1)
    guard digits.count <= 12 else { return nil }
    let units = (whole + digits).reduce(0) { $0 * 10 + Int($1) }
    self.init(units: units, decimals: digits.count)
  }

  private init?(units: Int, decimals: Int) {
    guard (1...Self.unitLimit).contains(units) else { return nil }
    self.units = units
    self.decimals = decimals
    guard modulus(64) <= Self.oddLimit else { return nil }
  }

  /// The least integer of which all integers that are multiples are multiples.
  var ofIntegers: DecimalStep? {
    DecimalStep(units: modulus(decimals), decimals: 0)
  }

  /// What is to be known of the digits so far when so many are to come, the end's zeros among them.
  ///
  /// - Parameter digits: How many follow.
  /// - Returns: The number of remainders that tell them apart.
  private func modulus(_ digits: Int) -> Int {
    var (rest, count) = (units, digits)
    var (twos, fives) = (0, 0)
    while rest.isMultiple(of: 2), twos < count { (rest, twos) = (rest / 2, twos + 1) }
    count = digits
    while rest.isMultiple(of: 5), fives < count { (rest, fives) = (rest / 5, fives + 1) }
    return rest
  }

  /// What remains after one more digit.
  ///
  /// - Parameters:
  ///   - remainder: That of the digits before, 0 at first.
  ///   - digit: The digit's value.
  ///   - following: How many digits may follow.
  /// - Returns: The remainder; nil when no digits that may follow make a multiple.
  func remainder(_ remainder: Int, digit: UInt8, following: Int) -> Int? {
    let next = (remainder * 10 + Int(digit)) % modulus(following)
    // The rest that is missing must be less than what so many digits can be.
    var (scaled, room) = (next % units, 1)
    for _ in 0..<following where room < units {
      scaled = scaled * 10 % units
      room *= 10
    }
    return room >= units || (units - scaled) % units < room ? next : nil
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
    let remainder: Int
  }

  private let low: DecimalRange.Bound
  private let high: DecimalRange.Bound?
  private let step: DecimalStep?
  private let fractionLimit: Int
  private let rule: GrammarBuilder.Rule
  private let end: GrammarBuilder.Node
  private var nodes: [Place: GrammarBuilder.Node] = [:]

  init(
    _ low: DecimalRange.Bound, _ high: DecimalRange.Bound?, _ step: DecimalStep?,
    _ fractionLimit: Int, _ rule: GrammarBuilder.Rule, _ end: GrammarBuilder.Node
  ) {
    self.low = low
    self.high = high
    self.step = step
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
      readWhole(length, 0, touching, 0, from: start, &builder)
    }
  }

  private mutating func readWhole(
    _ length: Int, _ position: Int, _ touching: Touching, _ remainder: Int,
    from node: GrammarBuilder.Node, _ builder: inout GrammarBuilder
  ) {
    guard builder.isWithinLimits else { return }
    guard position < length else {
      return readFraction(0, touching, remainder, from: node, &builder)
    }
    let least = touching.low ? low.whole[position] : position == 0 && length > 1 ? 1 : 0
    let most = touching.high ? high?.whole[position] ?? 9 : 9
    let following = length - position - 1 + fractionLimit
    readDigit(least, most, touching, remainder, following) { reader, next, remainder, digit in
      // Away from the bounds only the number of digits that follow counts.
      let isFree = !next.low && !next.high
      let place = Place(
        length: isFree ? length - position - 1 : length, position: isFree ? -1 : position + 1,
        touching: next, remainder: remainder)
      let (target, isNew) = reader.node(place, &builder)
      builder.read(digit...digit, from: node, to: target)
      if isNew {
        reader.readWhole(length, position + 1, next, remainder, from: target, &builder)
      }
    }
  }

  /// What may follow `position` digits after the point, the end among it.
  private mutating func readFraction(
    _ position: Int, _ touching: Touching, _ remainder: Int, from node: GrammarBuilder.Node,
    _ builder: inout GrammarBuilder
  ) {
    guard builder.isWithinLimits else { return }
    if mayEnd(position, touching), step == nil || remainder == 0 {
      builder.jump(from: node, to: end)
    }
    guard position < fractionLimit else { return }
    var start = node
    if position == 0 {
      start = builder.node(in: rule)
      builder.read(".".utf8, from: node, to: start)
    }
    let least = touching.low ? low.digit(position) : 0
    let most = touching.high ? high?.digit(position) ?? 9 : 9
    let following = fractionLimit - position - 1
    readDigit(least, most, touching, remainder, following) { reader, next, remainder, digit in
      let place = Place(length: 0, position: position + 1, touching: next, remainder: remainder)
      let (target, isNew) = reader.node(place, &builder)
      builder.read(digit...digit, from: start, to: target)
      if isNew { reader.readFraction(position + 1, next, remainder, from: target, &builder) }
    }
  }

  /// Whether the number that ends here is within the bounds.
  private func mayEnd(_ position: Int, _ touching: Touching) -> Bool {
    let isAboveLow = !touching.low || low.isOver(at: position) && low.isIncluded
    guard touching.high, let high else { return isAboveLow }
    return isAboveLow && (!high.isOver(at: position) || high.isIncluded)
  }

  /// Calls `read` with what is touched after each digit that may come, the remainder, and its letter.
  private mutating func readDigit(
    _ least: UInt8, _ most: UInt8, _ touching: Touching, _ remainder: Int, _ following: Int,
    read: (inout Self, Touching, Int, UInt8) -> Void
  ) {
    guard least <= most else { return }
    for digit in least...most {
      var next = 0
      if let step {
        guard let found = step.remainder(remainder, digit: digit, following: following) else {
          continue
        }
        next = found
      }
      let touched = Touching(
        low: touching.low && digit == least, high: touching.high && digit == most)
      read(&self, touched, next, digit + 0x30)
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
