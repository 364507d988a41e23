/// Writes JSON as it comes, without white space or in the manner of Python's `json.dumps`.
public struct JSONText: Sendable {
  /// What has been written.
  public private(set) var bytes: [UInt8] = []
  private let isSpaced: Bool

  /// Nothing yet; `spaced` puts a blank after commas and colons.
  public init(spaced: Bool = false) { isSpaced = spaced }

  /// Adds a value; members keep their order.
  public mutating func write(_ value: JSONValue) {
    switch value {
    case .null: append("null")
    case .bool(let value): append(value ? "true" : "false")
    case .integer(let value): append("\(value)")
    case .number(let value): append("\(value)")
    case .string(let value): write(string: value)
    case .array(let elements):
      append("[")
      for (index, element) in elements.enumerated() {
        if index > 0 { append(isSpaced ? ", " : ",") }
        write(element)
      }
      append("]")
    case .object(let members):
      append("{")
      for (index, member) in members.enumerated() {
        if index > 0 { append(isSpaced ? ", " : ",") }
        write(string: member.key)
        append(isSpaced ? ": " : ":")
        write(member.value)
      }
      append("}")
    }
  }

  /// A string with quotes and only the escapes that it needs.
  private mutating func write(string: String) {
    append("\"")
    for byte in string.utf8 {
      switch byte {
      case UInt8(ascii: "\""): append("\\\"")
      case UInt8(ascii: "\\"): append("\\\\")
      case 0x0A: append("\\n")
      case 0x0D: append("\\r")
      case 0x09: append("\\t")
      case 0..<0x20:
        append(byte < 0x10 ? "\\u000" : "\\u00")
        append(String(byte, radix: 16))
      default: bytes.append(byte)
      }
    }
    append("\"")
  }

  private mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }
}

extension JSONValue {
  /// The value as JSON.
  public func text(spaced: Bool = false) -> String {
    var text = JSONText(spaced: spaced)
    text.write(self)
    return String(decoding: text.bytes, as: UTF8.self)
  }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  /// A text.
  public init(stringLiteral value: String) { self = .string(value) }
  /// An integer.
  public init(integerLiteral value: Int) { self = .integer(value) }
  /// A truth value.
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  /// An array.
  public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
  /// An object; of members with the same name the first counts.
  public init(dictionaryLiteral elements: (String, JSONValue)...) {
    self = .object(JSONObject(elements))
  }
}

extension JSONObject {
  /// The members in this order; of members with the same name the first counts.
  public init(_ members: some Sequence<(String, JSONValue)>) {
    self.init()
    for (key, value) in members { _ = insert(key, value) }
  }

  /// Adds a member at the end, unless there is one with the name.
  public mutating func add(_ key: String, _ value: JSONValue) { _ = insert(key, value) }
}
