import ModelFiles

/// Finds out whether a value could fit two schemas, as far as their types and constants tell.
struct SchemaOverlap {
  private let root: JSONValue

  init(_ root: JSONValue) { self.root = root }

  /// Whether surely no value fits two of the schemas.
  func areDisjoint(_ schemas: [JSONValue]) -> Bool {
    for (index, first) in schemas.enumerated() {
      for second in schemas[(index + 1)...] where !areDisjoint(first, second) { return false }
    }
    return true
  }

  private func areDisjoint(_ first: JSONValue, _ second: JSONValue) -> Bool {
    let (first, second) = (resolved(first), resolved(second))
    if let a = types(first), let b = types(second), a.isDisjoint(with: b) { return true }
    if let a = values(first), let b = values(second), a.isDisjoint(with: b) { return true }
    return requiredNames(first).intersection(requiredNames(second)).contains { name in
      guard let a = first["properties"]?[name], let b = second["properties"]?[name],
        let a = values(resolved(a)), let b = values(resolved(b))
      else { return false }
      return a.isDisjoint(with: b)
    }
  }

  /// Follows references, a few steps.
  private func resolved(_ schema: JSONValue) -> JSONValue {
    var schema = schema
    for _ in 0..<8 {
      guard let pointer = schema["$ref"]?.string, let next = root.at(pointer: pointer) else {
        break
      }
      schema = next
    }
    return schema
  }

  private func types(_ schema: JSONValue) -> Set<String>? {
    if let values = values(schema) {
      return Set(values.map { $0.schemaType == "integer" ? "number" : $0.schemaType })
    }
    switch schema["type"] {
    case .string(let name): return [name == "integer" ? "number" : name]
    case .array(let names):
      return Set(names.compactMap(\.string).map { $0 == "integer" ? "number" : $0 })
    default: return nil
    }
  }

  private func values(_ schema: JSONValue) -> Set<JSONValue>? {
    if let value = schema["const"] { return [value] }
    return schema["enum"]?.array.map(Set.init)
  }

  private func requiredNames(_ schema: JSONValue) -> Set<String> {
    // Only where the schema insists on an object.
    guard schema["type"] == .string("object") else { return [] }
    return Set(schema["required"]?.array?.compactMap(\.string) ?? [])
  }
}
