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
  ]

  static let types: Set<String> = [
    "string", "number", "integer", "boolean", "null", "object", "array",
  ]

  /// Fails when a keyword would restrict values in a way that is not compiled.
  static func check(_ members: JSONObject, path: String) throws(SchemaError) {
    for member in members {
      let key = member.key
      guard !annotations.contains(key), !supported.contains(key), !key.hasPrefix("x-") else {
        continue
      }
      throw SchemaError(
        path: path,
        problem: "\(key.prefix(60)) is not supported by this server; leave it out")
    }
  }

  /// The keywords that combine schemas: a schema has at most one of them, alone.
  static func combiner(of members: JSONObject, path: String) throws(SchemaError) -> String? {
    let found = ["$ref", "const", "enum", "anyOf", "oneOf", "allOf"].filter { members[$0] != nil }
    guard let first = found.first else { return nil }
    let others = members.filter { member in
      member.key != first && supported.contains(member.key)
        && !(member.key == "type" && (first == "enum" || first == "const"))
    }
    guard others.isEmpty else {
      let names = others.map(\.key).sorted().joined(separator: ", ")
      throw SchemaError(
        path: path, problem: "\(first) together with \(names) is not supported; use one of them")
    }
    return first
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
