/// Why a regular expression cannot be used.
struct PatternProblem: Error, Equatable {
  let text: String

  init(_ text: String) { self.text = text }

  static let tooLarge = PatternProblem("it is too large to constrain an answer with")
}

/// Reads regular expressions as JSON Schema has them: ECMA-262 with the flag u.
///
/// What looks ahead, behind or back is refused: reading takes time linear in the text.
struct PatternParser {
  /// More than any sensible schema needs.
  static let sizeLimit = 2000
  static let depthLimit = 32
  static let countLimit = 4096

  private let scalars: [Unicode.Scalar]
  private var index = 0
  private var depth = 0

  private init(_ text: String) { scalars = Array(text.unicodeScalars) }

  /// The pattern that a text spells.
  static func parse(_ text: String) throws(PatternProblem) -> Pattern {
    var parser = PatternParser(text)
    guard parser.scalars.count <= sizeLimit else {
      throw PatternProblem("it has more than \(sizeLimit) characters")
    }
    let pattern = try parser.choice()
    guard parser.next == nil else { throw PatternProblem("there is a ) without (") }
    return pattern
  }

  private var next: Unicode.Scalar? { index < scalars.count ? scalars[index] : nil }

  private mutating func take() -> Unicode.Scalar? {
    guard let scalar = next else { return nil }
    index += 1
    return scalar
  }

  private mutating func take(_ text: String) -> Bool {
    let wanted = Array(text.unicodeScalars)
    guard scalars[index...].starts(with: wanted) else { return false }
    index += wanted.count
    return true
  }

  // MARK: Structure

  private mutating func choice() throws(PatternProblem) -> Pattern {
    var branches = [try sequence()]
    while take("|") { branches.append(try sequence()) }
    return branches.count == 1 ? branches[0] : .choice(branches)
  }

  private mutating func sequence() throws(PatternProblem) -> Pattern {
    var parts: [Pattern] = []
    while let scalar = next, scalar != "|", scalar != ")" {
      let part = try atom()
      parts.append(try repeated(part))
    }
    return parts.count == 1 ? parts[0] : .sequence(parts)
  }

  private mutating func repeated(_ part: Pattern) throws(PatternProblem) -> Pattern {
    guard let (least, most) = try counts() else { return part }
    if part == .start || part == .end { throw PatternProblem("an anchor cannot be repeated") }
    _ = take("?")  // to read as little as possible allows the same texts
    if try counts() != nil { throw PatternProblem("there is nothing to repeat") }
    return .repeated(part, least: least, most: most)
  }

  private mutating func counts() throws(PatternProblem) -> (least: Int, most: Int?)? {
    if take("*") { return (0, nil) }
    if take("+") { return (1, nil) }
    if take("?") { return (0, 1) }
    let start = index
    guard take("{") else { return nil }
    let least = number()
    let hasMost = take(",")
    let most = hasMost ? number() : least
    guard let least, take("}") else {
      index = start
      return nil
    }
    guard max(least, most ?? 0) <= Self.countLimit else {
      throw PatternProblem("it repeats something more than \(Self.countLimit) times")
    }
    guard least <= most ?? .max else {
      throw PatternProblem("the numbers of a repetition are out of order")
    }
    return (least, most)
  }

  /// A decimal number, of which large ones are all alike.
  private mutating func number() -> Int? {
    var value: Int?
    while let scalar = next, let digit = scalar.digit(base: 10) {
      value = min((value ?? 0) * 10 + digit, 1_000_000)
      index += 1
    }
    return value
  }

  private mutating func atom() throws(PatternProblem) -> Pattern {
    guard let scalar = take() else { throw PatternProblem("it ends too early") }
    switch scalar {
    case "^": return .start
    case "$": return .end
    case ".": return .one(ScalarSet.lineEnds.complement)
    case "(": return try group()
    case "[": return .one(try characterClass())
    case "\\": return .one(try escape(inClass: false))
    case "*", "+", "?": throw PatternProblem("there is nothing to repeat before \(scalar)")
    default: return .one(ScalarSet(scalar))
    }
  }

  private mutating func group() throws(PatternProblem) -> Pattern {
    if take("?") { try groupKind() }
    depth += 1
    defer { depth -= 1 }
    guard depth <= Self.depthLimit else {
      throw PatternProblem("more than \(Self.depthLimit) groups are within one another")
    }
    let inner = try choice()
    guard take(")") else { throw PatternProblem("there is a ( without )") }
    return inner
  }

  /// What follows `(?` in a group that only groups, or has a name.
  private mutating func groupKind() throws(PatternProblem) {
    if take(":") { return }
    _ = take("P")  // names as Python writes them
    guard take("<"), next != "=", next != "!" else {
      throw PatternProblem("groups that look ahead or behind, and flags, are not supported")
    }
    while let scalar = take() {
      if scalar == ">" { return }
    }
    throw PatternProblem("the name of a group has no end")
  }

  // MARK: Characters

  private mutating func characterClass() throws(PatternProblem) -> ScalarSet {
    let isNegated = take("^")
    var ranges: [ClosedRange<UInt32>] = []
    while true {
      guard let scalar = take() else { throw PatternProblem("there is a [ without ]") }
      if scalar == "]" { break }
      let first = scalar == "\\" ? try escape(inClass: true) : ScalarSet(scalar)
      guard next == "-", index + 1 < scalars.count, scalars[index + 1] != "]",
        let low = first.only
      else {
        ranges += first.ranges
        continue
      }
      index += 1
      guard let scalar = take() else { continue }
      let last = scalar == "\\" ? try escape(inClass: true) : ScalarSet(scalar)
      guard let high = last.only else {
        ranges += first.ranges + ScalarSet("-").ranges + last.ranges
        continue
      }
      guard low <= high else { throw PatternProblem("a range of characters is out of order") }
      ranges.append(low...high)
    }
    let set = ScalarSet(ranges)
    return isNegated ? set.complement : set
  }

  private mutating func escape(inClass: Bool) throws(PatternProblem) -> ScalarSet {
    guard let scalar = take() else { throw PatternProblem("it ends with \\") }
    switch scalar {
    case "d": return .digits
    case "D": return ScalarSet.digits.complement
    case "w": return .word
    case "W": return ScalarSet.word.complement
    case "s": return .space
    case "S": return ScalarSet.space.complement
    case "t": return ScalarSet("\t")
    case "n": return ScalarSet("\n")
    case "v": return ScalarSet("\u{B}")
    case "f": return ScalarSet("\u{C}")
    case "r": return ScalarSet("\r")
    case "b" where inClass: return ScalarSet("\u{8}")
    case "0" where next?.digit(base: 10) == nil: return ScalarSet("\0")
    case "x": return try ScalarSet(character(hex(digits: 2)))
    case "u": return try unicodeEscape()
    default:
      guard !scalar.properties.isAlphabetic, scalar.digit(base: 10) == nil else {
        throw PatternProblem("\\\(scalar) is not supported")
      }
      return ScalarSet(scalar)
    }
  }

  private mutating func unicodeEscape() throws(PatternProblem) -> ScalarSet {
    if take("{") {
      var value: UInt32?
      while let digit = next?.digit(base: 16) {
        value = min((value ?? 0) * 16 + UInt32(digit), 0x110000)
        index += 1
      }
      guard let value, take("}") else { throw PatternProblem("\\u{ needs digits and }") }
      return try ScalarSet(character(value))
    }
    let first = try hex(digits: 4)
    guard (0xD800...0xDBFF).contains(first), take("\\u") else {
      return try ScalarSet(character(first))
    }
    let second = try hex(digits: 4)
    guard (0xDC00...0xDFFF).contains(second) else {
      throw PatternProblem("\\u is followed by half a character")
    }
    return try ScalarSet(character(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00)))
  }

  private mutating func hex(digits count: Int) throws(PatternProblem) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<count {
      guard let digit = take()?.digit(base: 16) else {
        throw PatternProblem("\\x and \\u need 2 and 4 hexadecimal digits")
      }
      value = value * 16 + UInt32(digit)
    }
    return value
  }

  private func character(_ value: UInt32) throws(PatternProblem) -> Unicode.Scalar {
    guard let scalar = Unicode.Scalar(value) else {
      throw PatternProblem("\\u is followed by no character")
    }
    return scalar
  }
}

extension ScalarSet {
  /// Its only scalar; nil where it has none or several.
  fileprivate var only: UInt32? {
    guard ranges.count == 1, let range = ranges.first, range.count == 1 else { return nil }
    return range.lowerBound
  }
}

extension Unicode.Scalar {
  /// The value of a digit of ASCII.
  fileprivate func digit(base: Int) -> Int? {
    isASCII ? Character(self).hexDigitValue.flatMap { $0 < base ? $0 : nil } : nil
  }
}
