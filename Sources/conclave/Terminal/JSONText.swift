/// A value to be written as JSON, with members in the order in which they were given.
indirect enum JSONText {
  case null
  case bool(Bool)
  case integer(Int)
  case unsigned(UInt64)
  case number(Double)
  case string(String)
  case floats([Float])
  case array([JSONText])
  case object([(String, JSONText)])

  /// The value in one line.
  ///
  /// Numbers have as many digits as it takes to read them back exactly;
  /// infinities and NaN, which JSON does not have, become null.
  var text: String {
    var result = ""
    append(to: &result)
    return result
  }

  static func integers<S: Sequence>(_ values: S) -> JSONText where S.Element: BinaryInteger {
    .array(values.map { .integer(Int($0)) })
  }

  private func append(to result: inout String) {
    switch self {
    case .null: result += "null"
    case .bool(let value): result += value ? "true" : "false"
    case .integer(let value): result += String(value)
    case .unsigned(let value): result += String(value)
    case .number(let value): result += value.isFinite ? "\(value)" : "null"
    case .string(let value): Self.append(value, to: &result)
    case .floats(let values):
      Self.append(values, to: &result) { $1 += $0.isFinite ? "\($0)" : "null" }
    case .array(let values): Self.append(values, to: &result) { $0.append(to: &$1) }
    case .object(let members): Self.append(members, to: &result)
    }
  }

  private static func append<Element>(
    _ values: [Element], to result: inout String, each: (Element, inout String) -> Void
  ) {
    result += "["
    for (index, value) in values.enumerated() {
      if index > 0 { result += "," }
      each(value, &result)
    }
    result += "]"
  }

  private static func append(_ members: [(String, JSONText)], to result: inout String) {
    result += "{"
    for (index, member) in members.enumerated() {
      if index > 0 { result += "," }
      append(member.0, to: &result)
      result += ":"
      member.1.append(to: &result)
    }
    result += "}"
  }

  private static func append(_ string: String, to result: inout String) {
    result += "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\r": result += "\\r"
      case "\t": result += "\\t"
      case "\u{0}"..."\u{1F}":
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    result += "\""
  }
}
