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
    default: return true
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
