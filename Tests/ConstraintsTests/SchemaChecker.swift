import Foundation
import ModelFiles

/// Whether a value fits a schema, read as the specification says and independently of the grammar.
struct SchemaChecker {
  let root: JSONValue

  func fits(_ value: JSONValue, _ schema: JSONValue) -> Bool {
    if let flag = schema.bool { return flag }
    guard let members = schema.object else { return false }
    return members.allSatisfy { fits(value, keyword: $0.key, $0.value, members) }
  }

  private func fits(
    _ value: JSONValue, keyword: String, _ rule: JSONValue, _ schema: JSONObject
  ) -> Bool {
    switch keyword {
    case "type":
      let names = rule.array?.compactMap(\.string) ?? [rule.string ?? ""]
      return names.contains { isOf(value, type: $0) }
    case "const": return same(value, rule)
    case "enum": return rule.array?.contains { same(value, $0) } ?? false
    case "anyOf": return rule.array?.contains { fits(value, $0) } ?? false
    case "oneOf": return rule.array?.filter { fits(value, $0) }.count == 1
    case "allOf": return rule.array?.allSatisfy { fits(value, $0) } ?? false
    case "$ref": return target(of: rule.string ?? "").map { fits(value, $0) } ?? false
    case "properties":
      guard let object = value.object, let named = rule.object else { return true }
      return object.allSatisfy { member in named[member.key].map { fits(member.value, $0) } ?? true
      }
    case "required":
      guard let object = value.object else { return true }
      return rule.array?.compactMap(\.string).allSatisfy { object[$0] != nil } ?? false
    case "additionalProperties":
      guard let object = value.object else { return true }
      let named = schema["properties"]?.object
      return object.allSatisfy { named?[$0.key] != nil || fits($0.value, rule) }
    case "items":
      let first = schema["prefixItems"]?.array?.count ?? 0
      return value.array?.dropFirst(first).allSatisfy { fits($0, rule) } ?? true
    case "prefixItems":
      return zip(value.array ?? [], rule.array ?? []).allSatisfy { fits($0, $1) }
    case "minItems": return (value.array?.count ?? .max) >= rule.integer ?? 0
    case "maxItems": return (value.array?.count ?? 0) <= rule.integer ?? 0
    case "minLength": return (value.string?.unicodeScalars.count ?? .max) >= rule.integer ?? 0
    case "maxLength": return (value.string?.unicodeScalars.count ?? 0) <= rule.integer ?? 0
    case "minimum": return value.number ?? .infinity >= rule.number ?? 0
    case "maximum": return value.number ?? -.infinity <= rule.number ?? 0
    case "exclusiveMinimum": return value.number ?? .infinity > rule.number ?? 0
    case "exclusiveMaximum": return value.number ?? -.infinity < rule.number ?? 0
    case "multipleOf":
      guard let number = value.number, let step = rule.number else { return true }
      return abs((number / step).rounded() * step - number) < 1e-6 * step
    case "pattern": return value.string.map { Self.has(rule.string ?? "", $0) } ?? true
    case "format": return value.string.map { Self.isOf(format: rule.string ?? "", $0) } ?? true
    default: return true
    }
  }

  /// Whether the pattern is found somewhere in the text, as the system's library sees it.
  static func has(_ pattern: String, _ text: String) -> Bool {
    guard !pattern.isEmpty else { return true }  // which the library does not take
    guard let expression = try? NSRegularExpression(pattern: pattern) else { return false }
    let all = NSRange(text.startIndex..., in: text)
    return expression.firstMatch(in: text, range: all) != nil
  }

  /// Whether readers of such values, where there are some, read the text.
  private static func isOf(format: String, _ text: String) -> Bool {
    var address = (0 as UInt64, 0 as UInt64)
    switch format {
    case "date": return isDate(text)
    case "time": return isTime(text)
    case "date-time":
      let parts = text.split(separator: "T", omittingEmptySubsequences: false)
      return parts.count == 2 && isDate(String(parts[0])) && isTime(String(parts[1]))
    case "uuid": return UUID(uuidString: text) != nil
    case "ipv4": return unsafe inet_pton(AF_INET, text, &address) == 1
    case "ipv6": return unsafe inet_pton(AF_INET6, text, &address) == 1
    case "duration": return text.count >= 3 && text.hasPrefix("P") && !text.hasSuffix("T")
    case "hostname": return isHostName(text)
    case "email":
      let parts = text.split(separator: "@", omittingEmptySubsequences: false)
      return parts.count == 2 && !parts[0].isEmpty && isHostName(String(parts[1]))
        && parts[1].contains(".")
    default: return true
    }
  }

  private static func isDate(_ text: String) -> Bool {
    let numbers = text.split(separator: "-").compactMap { Int($0) }
    guard text.utf8.count == 10, numbers.count == 3 else { return false }
    var calendar = Calendar(identifier: .gregorian)
    calendar.timeZone = .gmt
    let date = DateComponents(year: numbers[0], month: numbers[1], day: numbers[2])
    guard let day = calendar.date(from: date) else { return false }
    let back = calendar.dateComponents([.year, .month, .day], from: day)
    return back.year == numbers[0] && back.month == numbers[1] && back.day == numbers[2]
  }

  private static func isTime(_ text: String) -> Bool {
    let formatter = ISO8601DateFormatter()
    formatter.formatOptions = [.withInternetDateTime]
    // Fractions of any length are not read by it, which leaves the rest to it.
    let whole = text.replacing(/\.[0-9]+/, with: "")
    return formatter.date(from: "2000-01-01T" + whole) != nil
  }

  private static func isHostName(_ text: String) -> Bool {
    text.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
      (1...63).contains(label.count) && !label.hasPrefix("-") && !label.hasSuffix("-")
    }
  }

  private func isOf(_ value: JSONValue, type: String) -> Bool {
    switch (value, type) {
    case (.null, "null"), (.bool, "boolean"), (.string, "string"), (.array, "array"),
      (.object, "object"), (.integer, "integer"), (.integer, "number"), (.number, "number"):
      true
    case (.number(let number), "integer"): number.rounded() == number
    default: false
    }
  }

  private func same(_ a: JSONValue, _ b: JSONValue) -> Bool {
    if let a = a.number, let b = b.number { return a == b }
    return a == b
  }

  private func target(of pointer: String) -> JSONValue? {
    var value = root
    for step in pointer.split(separator: "/").dropFirst() {
      guard let next = value[String(step)] else { return nil }
      value = next
    }
    return value
  }
}
