import ModelFiles

/// Which keywords of JSON Schema are understood.
enum SchemaKeywords {
  /// They say nothing about which values are right; some strings are kept to their `format` even so.
  static let annotations: Set<String> = [
    "title", "description", "default", "examples", "example", "$schema", "$id", "$comment", "$defs",
    "definitions", "deprecated", "readOnly", "writeOnly", "format", "discriminator",
    "contentEncoding", "contentMediaType",
  ]

  /// They are compiled.
  static let supported: Set<String> = [
    "type", "properties", "required", "additionalProperties", "items", "prefixItems", "minItems",
    "maxItems", "enum", "const", "anyOf", "oneOf", "allOf", "$ref", "minLength", "maxLength",
    "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
    "multipleOf",
  ]

  static let types: Set<String> = [
    "string", "number", "integer", "boolean", "null", "object", "array",
  ]

  /// Whether a keyword restricts values in a way that is compiled, or not at all.
  static func isKnown(_ key: String) -> Bool {
    annotations.contains(key) || supported.contains(key) || key.hasPrefix("x-")
  }

  /// Fails when a keyword would restrict values in a way that is not compiled.
  static func check(_ members: JSONObject, path: String) throws(SchemaError) {
    guard let unknown = members.first(where: { !isKnown($0.key) }) else { return }
    throw SchemaError(
      path: path,
      problem: "\(unknown.key.prefix(60)) is not supported by this server; leave it out")
  }

  /// The keyword that combines schemas: a schema has at most one of them, alone.
  static func combiner(of members: JSONObject, path: String) throws(SchemaError) -> String? {
    guard let combiner = combiner(of: members) else { return nil }
    let others = conflicts(with: combiner, in: members)
    guard others.isEmpty else {
      let names = others.sorted().joined(separator: ", ")
      throw SchemaError(
        path: path, problem: "\(combiner) together with \(names) is not supported; use one of them")
    }
    return combiner
  }

  /// The first keyword that combines schemas.
  static func combiner(of members: some Sequence<JSONObject.Member>) -> String? {
    ["$ref", "const", "enum", "anyOf", "oneOf", "allOf"].first { name in
      members.contains { $0.key == name }
    }
  }

  /// The keywords that a combining one does not go together with.
  static func conflicts(
    with combiner: String, in members: some Sequence<JSONObject.Member>
  ) -> [String] {
    members.map(\.key).filter { key in
      key != combiner && supported.contains(key)
        && !(key == "type" && (combiner == "enum" || combiner == "const"))
    }
  }
}

extension JSONValue {
  /// The name that JSON Schema has for the value's type.
  var schemaType: String {
    switch self {
    case .null: "null"
    case .bool: "boolean"
    case .integer: "integer"
    case .number: "number"
    case .string: "string"
    case .array: "array"
    case .object: "object"
    }
  }

  /// Whether the value is of the type; integers are numbers, too.
  func isOf(schemaType type: String) -> Bool {
    schemaType == type || (type == "number" && schemaType == "integer")
  }
}
