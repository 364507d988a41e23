/// Why a text is not JSON.
public struct JSONError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The place, counted in bytes from the start of the text.
  public let byte: Int
  /// What is wrong there.
  public let problem: String

  /// Place and problem.
  public var description: String { "byte \(byte): \(problem)" }
}

extension JSONValue {
  /// Reads a whole JSON text (RFC 8259) in time and memory linear in its size.
  ///
  /// Stricter than many readers: at most 64 levels of nesting, no duplicate member names, valid
  /// UTF-8 only, no lone surrogates, no numbers beyond the range of a Double, no byte order mark.
  /// - Parameters:
  ///   - text: UTF-8.
  ///   - replacingHalfPairs: Whether a lone surrogate is read as U+FFFD. Programs that cut text by
  ///     UTF-16 units, as JavaScript does, write such halves.
  /// - Throws: `JSONError` with the place of what is no JSON, or beyond these limits.
  public init(parsing text: [UInt8], replacingHalfPairs: Bool = false) throws(JSONError) {
    var parser = JSONParser(text, replacesHalfPairs: replacingHalfPairs)
    self = try parser.parse()
  }
}

private struct JSONParser {
  private let text: [UInt8]
  private let replacesHalfPairs: Bool
  private var position = 0
  private var scratch: [UInt8] = []

  init(_ text: [UInt8], replacesHalfPairs: Bool) {
    self.text = text
    self.replacesHalfPairs = replacesHalfPairs
  }

  mutating func parse() throws(JSONError) -> JSONValue {
    let value = try value(depth: 0)
    skipSpace()
    guard position == text.count else { throw error("more text after the value") }
    return value
  }

  private func error(_ problem: String, at byte: Int? = nil) -> JSONError {
    JSONError(byte: byte ?? position, problem: problem)
  }

  /// The next byte, or 0 at the end, where no valid JSON has a 0.
  private var next: UInt8 { position < text.count ? text[position] : 0 }

  private mutating func skipSpace() {
    while position < text.count {
      switch text[position] {
      case 0x20, 0x0A, 0x0D, 0x09: position += 1
      default: return
      }
    }
  }

  private mutating func value(depth: Int) throws(JSONError) -> JSONValue {
    skipSpace()
    switch next {
    case UInt8(ascii: "{"): return .object(try object(depth: depth + 1))
    case UInt8(ascii: "["): return .array(try array(depth: depth + 1))
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
    case UInt8(ascii: "t"): return try literal("true", .bool(true))
    case UInt8(ascii: "f"): return try literal("false", .bool(false))
    case UInt8(ascii: "n"): return try literal("null", .null)
    default:
      throw error(position < text.count ? "no JSON value starts like this" : "the text ends early")
    }
  }

  private mutating func literal(
    _ word: StaticString, _ value: JSONValue
  ) throws(JSONError) -> JSONValue {
    let end = position + word.utf8CodeUnitCount
    guard end <= text.count, text[position..<end].elementsEqual("\(word)".utf8) else {
      throw error("no JSON value starts like this")
    }
    position = end
    return value
  }

  private mutating func object(depth: Int) throws(JSONError) -> JSONObject {
    try open(depth)
    var object = JSONObject()
    guard !closes(UInt8(ascii: "}")) else { return object }
    repeat {
      skipSpace()
      let start = position
      guard next == UInt8(ascii: "\"") else { throw error("a member's name is missing") }
      let key = try string()
      skipSpace()
      guard next == UInt8(ascii: ":") else { throw error("a colon is missing") }
      position += 1
      guard object.insert(key, try value(depth: depth)) else {
        throw error("the name \(quoted(key)) appears twice", at: start)
      }
    } while try continues(until: UInt8(ascii: "}"))
    return object
  }

  private mutating func array(depth: Int) throws(JSONError) -> [JSONValue] {
    try open(depth)
    var values: [JSONValue] = []
    guard !closes(UInt8(ascii: "]")) else { return values }
    repeat { values.append(try value(depth: depth)) } while try continues(until: UInt8(ascii: "]"))
    return values
  }

  private mutating func open(_ depth: Int) throws(JSONError) {
    guard depth <= 64 else { throw error("nested more than 64 deep") }
    position += 1
  }

  /// Whether the bracket closes at once.
  private mutating func closes(_ bracket: UInt8) -> Bool {
    skipSpace()
    guard next == bracket else { return false }
    position += 1
    return true
  }

  /// Whether a comma follows, else the closing bracket must.
  private mutating func continues(until bracket: UInt8) throws(JSONError) -> Bool {
    skipSpace()
    guard next == UInt8(ascii: ",") || next == bracket else {
      throw error(position < text.count ? "a comma or bracket is missing" : "the text ends early")
    }
    position += 1
    return text[position - 1] != bracket
  }

  // MARK: Numbers

  private mutating func number() throws(JSONError) -> JSONValue {
    let start = position
    var isInteger = true
    if next == UInt8(ascii: "-") { position += 1 }
    if next == UInt8(ascii: "0") { position += 1 } else { try digits() }
    if next == UInt8(ascii: ".") {
      isInteger = false
      position += 1
      try digits()
    }
    if next | 0x20 == UInt8(ascii: "e") {
      isInteger = false
      position += 1
      if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { position += 1 }
      try digits()
    }
    let digits = String(decoding: text[start..<position], as: UTF8.self)
    if isInteger, let value = Int(digits) { return .integer(value) }
    guard position - start <= 1000, let value = Double(digits), value.isFinite else {
      throw error("the number is out of range", at: start)
    }
    return .number(value)
  }

  private mutating func digits() throws(JSONError) {
    let start = position
    while position < text.count, (0x30...0x39).contains(text[position]) { position += 1 }
    guard position > start else { throw error("a digit is missing") }
  }

  // MARK: Strings

  private mutating func string() throws(JSONError) -> String {
    position += 1
    let start = position
    skipPlainText()
    switch next {
    case UInt8(ascii: "\""):
      defer { position += 1 }
      return try validated(text[start..<position], at: start)
    case UInt8(ascii: "\\"): return try escapedString(from: start)
    default: throw unfinishedString()
    }
  }

  /// Skips what stands for itself inside a string.
  private mutating func skipPlainText() {
    var end = position
    while end < text.count {
      let byte = text[end]
      guard byte >= 0x20, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") else { break }
      end += 1
    }
    position = end
  }

  private func unfinishedString() -> JSONError {
    position < text.count
      ? error("a control character in a string") : error("the text ends inside a string")
  }

  private func validated(
    _ bytes: ArraySlice<UInt8>, at start: Int
  ) throws(JSONError) -> String {
    guard let string = String(validating: bytes, as: UTF8.self) else {
      throw error("a string is not valid UTF-8", at: start)
    }
    return string
  }

  /// The rest of a string that has escapes, and what stood before the first of them.
  private mutating func escapedString(from start: Int) throws(JSONError) -> String {
    scratch.removeAll(keepingCapacity: true)
    scratch.append(contentsOf: text[start..<position])
    while true {
      switch next {
      case UInt8(ascii: "\""):
        position += 1
        return try validated(scratch[...], at: start)
      case UInt8(ascii: "\\"): try escape()
      case 0..<0x20: throw unfinishedString()
      default:
        let plain = position
        skipPlainText()
        scratch.append(contentsOf: text[plain..<position])
      }
    }
  }

  private mutating func escape() throws(JSONError) {
    position += 1
    let letter = next
    position += 1
    switch letter {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): scratch.append(letter)
    case UInt8(ascii: "b"): scratch.append(0x08)
    case UInt8(ascii: "f"): scratch.append(0x0C)
    case UInt8(ascii: "n"): scratch.append(0x0A)
    case UInt8(ascii: "r"): scratch.append(0x0D)
    case UInt8(ascii: "t"): scratch.append(0x09)
    case UInt8(ascii: "u"): try unicodeEscape()
    default: throw error("an unknown escape in a string", at: position - 1)
    }
  }

  private mutating func unicodeEscape() throws(JSONError) {
    let start = position - 2
    var value = UInt32(try hexDigits())
    let end = position
    if UTF16.isLeadSurrogate(UInt16(value)), let trail = try trailSurrogate() {
      value = 0x10000 + (value - 0xD800) << 10 + (trail - 0xDC00)
    }
    guard let scalar = Unicode.Scalar(value) else {
      guard replacesHalfPairs else { throw error("half a surrogate pair", at: start) }
      position = end
      scratch.append(contentsOf: "\u{FFFD}".utf8)
      return
    }
    scratch.append(contentsOf: UTF8.encode(scalar).map(Array.init) ?? [])
  }

  /// The second half of a pair; nil when something else follows.
  private mutating func trailSurrogate() throws(JSONError) -> UInt32? {
    guard next == UInt8(ascii: "\\") else { return nil }
    position += 1
    guard next == UInt8(ascii: "u") else { return nil }
    position += 1
    let trail = try hexDigits()
    return UTF16.isTrailSurrogate(trail) ? UInt32(trail) : nil
  }

  private mutating func hexDigits() throws(JSONError) -> UInt16 {
    var value: UInt16 = 0
    for _ in 0..<4 {
      guard let digit = Character(Unicode.Scalar(next)).hexDigitValue else {
        throw error("a \\u escape needs four hexadecimal digits")
      }
      value = value << 4 | UInt16(digit)
      position += 1
    }
    return value
  }
}
