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
    Self.escape(string, into: &bytes)
    append("\"")
  }

  /// Adds what stands between the quotes of a string.
  public static func escape(_ string: String, into bytes: inout [UInt8]) {
    for byte in string.utf8 {
      switch byte {
      case UInt8(ascii: "\""): bytes.append(contentsOf: "\\\"".utf8)
      case UInt8(ascii: "\\"): bytes.append(contentsOf: "\\\\".utf8)
      case 0x0A: bytes.append(contentsOf: "\\n".utf8)
      case 0x0D: bytes.append(contentsOf: "\\r".utf8)
      case 0x09: bytes.append(contentsOf: "\\t".utf8)
      case 0..<0x20:
        bytes.append(contentsOf: (byte < 0x10 ? "\\u000" : "\\u00").utf8)
        bytes.append(contentsOf: String(byte, radix: 16).utf8)
      default: bytes.append(byte)
      }
    }
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
