/// The rules that all JSON grammars have in common; made when first used.
enum SharedRule: Hashable {
  case space
  case string
  case character
  case plainKey
  case integer
  case number
  case value
  case object
  case array
}

extension GrammarBuilder {
  /// The shared rule, defined at its first use.
  mutating func rule(_ name: SharedRule) -> Rule {
    if let rule = shared[name] { return rule }
    let new = rule(isContainer: name == .object || name == .array)
    shared[name] = new
    let start = node(in: new)
    let end = node(in: new)
    define(new, from: start, to: end)
    switch name {
    case .space: readSpace(new, start, end)
    case .string: readString(new, start, end)
    case .character: readCharacter(new, start, end)
    case .plainKey: readPlainKey(new, start, end)
    case .integer: readInteger(new, start, end, maximumDigits: 18)
    case .number: readNumber(new, start, end)
    case .value: readValue(start, end)
    case .object: readObject(new, start, end)
    case .array: readArray(new, start, end)
    }
    return new
  }

  /// Nothing, a blank, or a new line with some indentation: models that may write more white space
  /// sometimes never stop.
  private mutating func readSpace(_ rule: Rule, _ start: Node, _ end: Node) {
    jump(from: start, to: end)
    read(" ".utf8, from: start, to: end)
    var place = node(in: rule)
    read("\n".utf8, from: start, to: place)
    for _ in 0..<32 {
      jump(from: place, to: end)
      let next = node(in: rule)
      read(" ".utf8, from: place, to: next)
      read("\t".utf8, from: place, to: next)
      place = next
    }
    jump(from: place, to: end)
  }

  private mutating func readString(_ rule: Rule, _ start: Node, _ end: Node) {
    let body = node(in: rule)
    read("\"".utf8, from: start, to: body)
    readScalar(rule, from: body, to: body)
    readEscape(rule, from: body, to: body)
    read("\"".utf8, from: body, to: end)
  }

  /// One character of a string, plain or escaped.
  private mutating func readCharacter(_ rule: Rule, _ start: Node, _ end: Node) {
    readScalar(rule, from: start, to: end)
    readEscape(rule, from: start, to: end)
  }

  /// A member's name without escapes, so that it has one spelling only.
  private mutating func readPlainKey(_ rule: Rule, _ start: Node, _ end: Node) {
    let body = node(in: rule)
    read("\"".utf8, from: start, to: body)
    readScalar(rule, from: body, to: body)
    read("\"".utf8, from: body, to: end)
  }

  /// One Unicode scalar as UTF-8 that may stand in a string as it is.
  mutating func readScalar(_ rule: Rule, from start: Node, to end: Node) {
    read(0x20...0x21, from: start, to: end)
    read(0x23...0x5B, from: start, to: end)
    read(0x5D...0x7F, from: start, to: end)
    readLongScalar(rule, from: start, to: end)
  }

  /// A scalar of two to four bytes: no overlong forms, surrogates or values beyond U+10FFFF.
  mutating func readLongScalar(_ rule: Rule, from start: Node, to end: Node) {
    let last = node(in: rule)
    read(0x80...0xBF, from: last, to: end)
    read(0xC2...0xDF, from: start, to: last)
    let middle = node(in: rule)
    read(0x80...0xBF, from: middle, to: last)
    read(0xE1...0xEC, from: start, to: middle)
    read(0xEE...0xEF, from: start, to: middle)
    branch(rule, 0xE0, 0xA0...0xBF, from: start, to: last)
    branch(rule, 0xED, 0x80...0x9F, from: start, to: last)
    branch(rule, 0xF0, 0x90...0xBF, from: start, to: middle)
    branch(rule, 0xF4, 0x80...0x8F, from: start, to: middle)
    let second = node(in: rule)
    read(0xF1...0xF3, from: start, to: second)
    read(0x80...0xBF, from: second, to: middle)
  }

  private mutating func branch(
    _ rule: Rule, _ first: UInt8, _ second: ClosedRange<UInt8>, from start: Node, to end: Node
  ) {
    let place = node(in: rule)
    read(first...first, from: start, to: place)
    read(second, from: place, to: end)
  }

  /// A backslash and what may follow it; surrogates only in pairs.
  private mutating func readEscape(_ rule: Rule, from start: Node, to end: Node) {
    let escape = node(in: rule)
    read("\\".utf8, from: start, to: escape)
    for letter in "\"\\/bfnrt".utf8 { read(letter...letter, from: escape, to: end) }
    let digits = (0..<4).map { _ in node(in: rule) }
    read("u".utf8, from: escape, to: digits[0])
    for range in Self.hexNotD { read(range, from: digits[0], to: digits[1]) }
    readHex(from: digits[1], to: digits[2])
    readHex(from: digits[2], to: digits[3])
    readHex(from: digits[3], to: end)
    let afterD = node(in: rule)
    for letter in "dD".utf8 { read(letter...letter, from: digits[0], to: afterD) }
    read(0x30...0x37, from: afterD, to: digits[2])  // U+D000…U+D7FF are characters
    let lead = (0..<3).map { _ in node(in: rule) }
    for range in [0x38...0x39, 0x41...0x42, 0x61...0x62] as [ClosedRange<UInt8>] {
      read(range, from: afterD, to: lead[0])
    }
    readHex(from: lead[0], to: lead[1])
    readHex(from: lead[1], to: lead[2])
    readTrailSurrogate(rule, from: lead[2], to: end)
  }

  private mutating func readTrailSurrogate(_ rule: Rule, from start: Node, to end: Node) {
    let digits = (0..<4).map { _ in node(in: rule) }
    read("\\u".utf8, from: start, to: digits[0])
    for letter in "dD".utf8 { read(letter...letter, from: digits[0], to: digits[1]) }
    for range in [0x43...0x46, 0x63...0x66] as [ClosedRange<UInt8>] {
      read(range, from: digits[1], to: digits[2])
    }
    readHex(from: digits[2], to: digits[3])
    readHex(from: digits[3], to: end)
  }

  private static let hexNotD: [ClosedRange<UInt8>] = [
    0x30...0x39, 0x41...0x43, 0x45...0x46, 0x61...0x63, 0x65...0x66,
  ]

  private mutating func readHex(from start: Node, to end: Node) {
    for range in [0x30...0x39, 0x41...0x46, 0x61...0x66] as [ClosedRange<UInt8>] {
      read(range, from: start, to: end)
    }
  }

  /// A number without fraction; short enough for 64 bits.
  private mutating func readInteger(
    _ rule: Rule, _ start: Node, _ end: Node, maximumDigits: Int
  ) {
    let sign = node(in: rule)
    jump(from: start, to: sign)
    read("-".utf8, from: start, to: sign)
    read("0".utf8, from: sign, to: end)
    var place = node(in: rule)
    read(0x31...0x39, from: sign, to: place)
    for _ in 1..<maximumDigits {
      jump(from: place, to: end)
      let next = node(in: rule)
      read(0x30...0x39, from: place, to: next)
      place = next
    }
    jump(from: place, to: end)
  }

  /// Any number, with so few digits that it is finite.
  private mutating func readNumber(_ rule: Rule, _ start: Node, _ end: Node) {
    let whole = node(in: rule)
    readInteger(rule, start, whole, maximumDigits: 16)
    let fraction = node(in: rule)
    jump(from: whole, to: fraction)
    let point = node(in: rule)
    read(".".utf8, from: whole, to: point)
    readDigits(rule, from: point, to: fraction, atMost: 17)
    jump(from: fraction, to: end)
    let exponent = node(in: rule)
    for letter in "eE".utf8 { read(letter...letter, from: fraction, to: exponent) }
    let digits = node(in: rule)
    jump(from: exponent, to: digits)
    for sign in "+-".utf8 { read(sign...sign, from: exponent, to: digits) }
    readDigits(rule, from: digits, to: end, atMost: 2)
  }

  /// One to `limit` digits.
  private mutating func readDigits(
    _ rule: Rule, from start: Node, to end: Node, atMost limit: Int
  ) {
    var place = start
    for _ in 0..<limit {
      let next = node(in: rule)
      read(0x30...0x39, from: place, to: next)
      jump(from: next, to: end)
      place = next
    }
  }

  private mutating func readValue(_ start: Node, _ end: Node) {
    for name in [.string, .number, .object, .array] as [SharedRule] {
      call(rule(name), from: start, to: end)
    }
    for word in ["true", "false", "null"] { read(word.utf8, from: start, to: end) }
  }

  private mutating func readObject(_ rule: Rule, _ start: Node, _ end: Node) {
    let value = self.rule(.value)
    let key = self.rule(.string)
    readMembers(rule, from: start, to: end) { builder, start, end in
      builder.readMember(rule, key: key, value: value, from: start, to: end)
    }
  }

  private mutating func readArray(_ rule: Rule, _ start: Node, _ end: Node) {
    let value = self.rule(.value)
    readBracketed(rule, "[", "]", from: start, to: end) { builder, first, others in
      builder.call(value, from: first, to: others)
      let comma = builder.node(in: rule)
      builder.readComma(rule, from: others, to: comma)
      builder.call(value, from: comma, to: others)
      return [first, others]
    }
  }

  /// Braces around any number of members, each read by `member`.
  mutating func readMembers(
    _ rule: Rule, from start: Node, to end: Node,
    member: (inout GrammarBuilder, Node, Node) -> Void
  ) {
    readBracketed(rule, "{", "}", from: start, to: end) { builder, first, others in
      member(&builder, first, others)
      let comma = builder.node(in: rule)
      builder.readComma(rule, from: others, to: comma)
      member(&builder, comma, others)
      return [first, others]
    }
  }

  /// A bracket, white space, what `inside` reads, white space, the other bracket.
  ///
  /// `inside` gets the node before the first element and one that follows an element, and returns
  /// those after which the bracket may close.
  mutating func readBracketed(
    _ rule: Rule, _ opening: String, _ closing: String, from start: Node, to end: Node,
    inside: (inout GrammarBuilder, _ first: Node, _ others: Node) -> [Node]
  ) {
    let space = self.rule(.space)
    let opened = node(in: rule)
    let first = node(in: rule)
    let others = node(in: rule)
    read(opening.utf8, from: start, to: opened)
    call(space, from: opened, to: first)
    let ends = inside(&self, first, others)
    let closes = node(in: rule)
    for place in ends {
      if place == first {
        jump(from: place, to: closes)
      } else {
        call(space, from: place, to: closes)
      }
    }
    read(closing.utf8, from: closes, to: end)
  }

  /// A comma and white space.
  mutating func readComma(_ rule: Rule, from start: Node, to end: Node) {
    let comma = node(in: rule)
    read(",".utf8, from: start, to: comma)
    call(self.rule(.space), from: comma, to: end)
  }

  /// A name, a colon, perhaps a blank, and a value.
  mutating func readMember(
    _ rule: Rule, key: Rule, value: Rule, from start: Node, to end: Node
  ) {
    let named = node(in: rule)
    call(key, from: start, to: named)
    readColonAndValue(rule, value, from: named, to: end)
  }

  /// A colon, perhaps a blank, and a value.
  mutating func readColonAndValue(
    _ rule: Rule, _ value: Rule, from start: Node, to end: Node
  ) {
    let colon = node(in: rule)
    let blank = node(in: rule)
    read(":".utf8, from: start, to: colon)
    read(" ".utf8, from: colon, to: blank)
    jump(from: colon, to: blank)
    call(value, from: blank, to: end)
  }
}
