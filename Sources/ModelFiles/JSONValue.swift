/// A JSON text as values: integers exact, strings compared by bytes, objects without duplicates.
public enum JSONValue: Sendable {
  case null
  case bool(Bool)
  /// A number without fraction and exponent that fits 64 bits with sign.
  case integer(Int)
  /// Any other number; finite.
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object(JSONObject)

  /// The member of an object, or nil when it is absent or this is no object.
  public subscript(key: String) -> JSONValue? { object?[key] }

  /// Whether this is `null`.
  public var isNull: Bool { self == .null }

  /// The truth value, if it is one.
  public var bool: Bool? {
    guard case .bool(let value) = self else { return nil }
    return value
  }

  /// The integer, if it is one; also a number like 1e3 or 2.0 whose value is a small integer.
  public var integer: Int? {
    switch self {
    case .integer(let value): value
    case .number(let value) where abs(value) <= 0x1p53: Int(exactly: value)
    default: nil
    }
  }

  /// The number, if it is one, rounded when it is an integer beyond 2^53.
  public var number: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .number(let value): value
    default: nil
    }
  }

  /// The text, if it is one.
  public var string: String? {
    guard case .string(let value) = self else { return nil }
    return value
  }

  /// The elements, if this is an array.
  public var array: [JSONValue]? {
    guard case .array(let value) = self else { return nil }
    return value
  }

  /// The members, if this is an object.
  public var object: JSONObject? {
    guard case .object(let value) = self else { return nil }
    return value
  }
}

extension JSONValue: Hashable {
  /// Whether kinds and values are the same; members of objects may stand in any order.
  public static func == (a: JSONValue, b: JSONValue) -> Bool {
    switch (a, b) {
    case (.null, .null): true
    case (.bool(let a), .bool(let b)): a == b
    case (.integer(let a), .integer(let b)): a == b
    case (.number(let a), .number(let b)): a == b
    case (.string(let a), .string(let b)): isSame(a, b)
    case (.array(let a), .array(let b)): a == b
    case (.object(let a), .object(let b)): a == b
    default: false
    }
  }

  /// Feeds the value, strings by their bytes.
  public func hash(into hasher: inout Hasher) {
    switch self {
    case .null: hasher.combine(0)
    case .bool(let value): hasher.combine(value)
    case .integer(let value): hasher.combine(value)
    case .number(let value): hasher.combine(value)
    case .string(let value):
      for byte in value.utf8 { hasher.combine(byte) }
      hasher.combine(value.utf8.count)
    case .array(let values): hasher.combine(values)
    case .object(let members): hasher.combine(members)
    }
  }
}
