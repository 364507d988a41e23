import ModelFiles

extension SchemaCompiler {
  mutating func readString(
    _ members: JSONObject, _ place: Place, _ builder: inout GrammarBuilder
  ) throws(SchemaError) {
    let least = try count("minLength", of: members, atMost: Self.textLimit, place) ?? 0
    let most = try count("maxLength", of: members, atMost: Self.textLimit, place)
    guard least <= most ?? .max else {
      throw place.error("minLength is above maxLength")
    }
    if let (keyword, pattern) = try pattern(of: members, place) {
      return try read(pattern, least, most, place.below(keyword), &builder)
    }
    guard least > 0 || most != nil else {
      return builder.call(builder.rule(.string), from: place.start, to: place.end)
    }
    let character = builder.rule(.character)
    let closes = builder.node(in: place.rule)
    var last = builder.node(in: place.rule)
    builder.read("\"".utf8, from: place.start, to: last)
    for index in 0..<(most ?? least) {
      if index >= least { builder.jump(from: last, to: closes) }
      let next = builder.node(in: place.rule)
      builder.call(character, from: last, to: next)
      last = next
    }
    if most == nil { builder.call(character, from: last, to: last) }
    builder.jump(from: last, to: closes)
    builder.read("\"".utf8, from: closes, to: place.end)
  }

  /// The keyword that says how a string is spelled, `pattern` before `format`, and the expression.
  private func pattern(
    of members: JSONObject, _ place: Place
  ) throws(SchemaError) -> (keyword: String, pattern: String)? {
    if let value = members["pattern"] {
      guard let pattern = value.string else {
        throw place.below("pattern").error("pattern must be a string")
      }
      return ("pattern", pattern)
    }
    let format = members["format"]?.string
    return format.flatMap(StringFormats.pattern).map { ("format", $0) }
  }

  private func read(
    _ pattern: String, _ least: Int, _ most: Int?, _ place: Place, _ builder: inout GrammarBuilder
  ) throws(SchemaError) {
    do {
      let automaton = try PatternAutomaton(PatternParser.parse(pattern))
      let opened = builder.node(in: place.rule)
      let closes = builder.node(in: place.rule)
      builder.read("\"".utf8, from: place.start, to: opened)
      try automaton.read(
        ofLengths: least, most, in: place.rule, from: opened, to: closes, &builder)
      builder.read("\"".utf8, from: closes, to: place.end)
    } catch {
      throw place.error("the pattern cannot be kept to: \(error.text)")
    }
  }

  mutating func readNumber(
    _ members: JSONObject, _ place: Place, _ builder: inout GrammarBuilder
  ) throws(SchemaError) {
    var low = (value: -Double.infinity, isIncluded: true)
    var high = (value: Double.infinity, isIncluded: true)
    if let value = try number("minimum", of: members, place) { low = (value, true) }
    if let value = try number("exclusiveMinimum", of: members, place), value >= low.value {
      low = (value, false)
    }
    if let value = try number("maximum", of: members, place) { high = (value, true) }
    if let value = try number("exclusiveMaximum", of: members, place), value <= high.value {
      high = (value, false)
    }
    let step = try step(of: members, place)
    guard low.value.isFinite || high.value.isFinite || step != nil else {
      return builder.call(builder.rule(.number), from: place.start, to: place.end)
    }
    guard let range = DecimalRange(low: low, high: high, step: step) else {
      throw place.error("no number is within the bounds")
    }
    range.read(in: place.rule, from: place.start, to: place.end, &builder)
  }

  /// What all numbers are to be multiples of, if anything.
  private func step(of members: JSONObject, _ place: Place) throws(SchemaError) -> DecimalStep? {
    guard let value = members["multipleOf"] else { return nil }
    guard let step = value.number.flatMap(DecimalStep.init) else {
      throw place.below("multipleOf").error(
        "multipleOf must be a positive number of few digits, for example 5 or 0.01")
    }
    return step
  }

  private func number(
    _ name: String, of members: JSONObject, _ place: Place
  ) throws(SchemaError) -> Double? {
    guard let value = members[name] else { return nil }
    guard let number = value.number else {
      throw place.below(name).error("\(name) must be a number")
    }
    return number
  }

  mutating func readInteger(
    _ members: JSONObject, _ place: Place, _ builder: inout GrammarBuilder
  ) throws(SchemaError) {
    let most = 999_999_999_999_999_999
    var (low, high) = (-most, most)
    if let bound = try bound("minimum", of: members, place, within: .up) { low = max(low, bound) }
    if let bound = try bound("exclusiveMinimum", of: members, place, within: .down) {
      low = max(low, bound + 1)
    }
    if let bound = try bound("maximum", of: members, place, within: .down) {
      high = min(high, bound)
    }
    if let bound = try bound("exclusiveMaximum", of: members, place, within: .up) {
      high = min(high, bound - 1)
    }
    guard low <= high else { throw place.error("no integer is within the bounds") }
    if let step = try step(of: members, place)?.ofIntegers {
      return try readMultiples(of: step, from: low, to: high, place, &builder)
    }
    guard low > -most || high < most else {
      return builder.call(builder.rule(.integer), from: place.start, to: place.end)
    }
    if high >= 0 {
      builder.readDecimal(max(low, 0)...high, in: place.rule, from: place.start, to: place.end)
    }
    if low < 0 {
      let sign = builder.node(in: place.rule)
      builder.read("-".utf8, from: place.start, to: sign)
      builder.readDecimal(
        max(-high, 1)...(-low), in: place.rule, from: sign, to: place.end)
    }
  }

  private func readMultiples(
    of step: DecimalStep, from low: Int, to high: Int, _ place: Place,
    _ builder: inout GrammarBuilder
  ) throws(SchemaError) {
    let exact = 1 << 53  // beyond it not every integer is a double
    let (low, high) = (Double(max(low, -exact)), Double(min(high, exact)))
    guard let range = DecimalRange(low: (low, true), high: (high, true), step: step) else {
      throw place.error("no integer is within the bounds")
    }
    range.read(in: place.rule, from: place.start, to: place.end, &builder)
  }

  /// A bound of integers, which need not be one itself: the nearest integer `within` the bound counts.
  private func bound(
    _ name: String, of members: JSONObject, _ place: Place,
    within rule: FloatingPointRoundingRule
  ) throws(SchemaError) -> Int? {
    guard let value = members[name] else { return nil }
    let limit = 1_000_000_000_000_000_000
    let number = value.integer ?? value.number.flatMap { Int(exactly: $0.rounded(rule)) }
    guard let number, (1 - limit..<limit).contains(number) else {
      throw place.below(name).error("\(name) must be a number of at most 18 digits")
    }
    return number
  }
}

extension GrammarBuilder {
  /// The decimal digits of a number of the range, which has no negative ones.
  mutating func readDecimal(
    _ range: ClosedRange<Int>, in rule: Rule, from start: Node, to end: Node
  ) {
    var low = 0  // the least number of as many digits
    var high = 9
    while low <= range.upperBound {
      let (first, last) = (max(low, range.lowerBound), min(high, range.upperBound))
      if first <= last {
        readDigits(
          Array("\(first)".utf8), Array("\(last)".utf8), in: rule, from: start, to: end)
      }
      low = high + 1
      high = high > Int.max / 10 - 1 ? .max : high * 10 + 9
    }
  }

  /// Digits between two numbers of equal length.
  private mutating func readDigits(
    _ low: [UInt8], _ high: [UInt8], in rule: Rule, from start: Node, to end: Node
  ) {
    struct Key: Hashable { let position: Int; let isLow: Bool; let isHigh: Bool }
    var nodes: [Key: Node] = [Key(position: 0, isLow: true, isHigh: true): start]
    for position in low.indices {
      for (isLow, isHigh) in [(true, true), (true, false), (false, true), (false, false)] {
        guard let place = nodes[Key(position: position, isLow: isLow, isHigh: isHigh)] else {
          continue
        }
        let first = isLow ? low[position] : UInt8(ascii: "0")
        let last = isHigh ? high[position] : UInt8(ascii: "9")
        guard first <= last else { continue }
        for digit in first...last {
          let key = Key(
            position: position + 1, isLow: isLow && digit == first && digit == low[position],
            isHigh: isHigh && digit == last && digit == high[position])
          let next = position + 1 == low.count ? end : nodes[key] ?? node(in: rule)
          nodes[key] = next
          read(digit...digit, from: place, to: next)
        }
      }
    }
  }
}
