import ModelFiles

/// The fields of a JSON object from a client, taken out one by one; what remains is unknown.
///
/// Null counts as absent, as in OpenAI's API. Every error names the field by its path.
struct RequestFields {
  private let path: String
  private let members: JSONObject
  private var taken: Set<String> = []

  /// Fails unless `value` is an object; `path` is "" for the whole body.
  init(_ value: JSONValue, path: String = "") throws(APIError) {
    guard let members = value.object else {
      throw .invalid(
        "\(path.isEmpty ? "the request body" : path) must be an object, not \(value.kind)",
        param: path.isEmpty ? nil : path)
    }
    self.path = path.isEmpty ? "" : path + "."
    self.members = members
  }

  /// The field's value; nil when it is absent or null.
  mutating func value(_ name: String) -> JSONValue? {
    taken.insert(name)
    guard let value = members[name], !value.isNull else { return nil }
    return value
  }

  mutating func string(_ name: String) throws(APIError) -> String? {
    guard let value = value(name) else { return nil }
    guard let text = value.string else { throw mismatch(name, "a string", value) }
    return text
  }

  mutating func bool(_ name: String) throws(APIError) -> Bool? {
    guard let value = value(name) else { return nil }
    guard let flag = value.bool else { throw mismatch(name, "true or false", value) }
    return flag
  }

  mutating func integer(_ name: String) throws(APIError) -> Int? {
    guard let value = value(name) else { return nil }
    guard let number = value.integer else { throw mismatch(name, "an integer", value) }
    return number
  }

  /// An integer of a range.
  mutating func integer(
    _ name: String, in range: ClosedRange<Int>
  ) throws(APIError) -> Int? {
    guard let number = try integer(name) else { return nil }
    guard range.contains(number) else {
      throw .invalid(
        "\(path(of: name)) must be from \(range.lowerBound) to \(range.upperBound), not \(number)",
        param: path(of: name))
    }
    return number
  }

  /// One of a few words.
  mutating func word(_ name: String, of words: [String]) throws(APIError) -> String? {
    guard let text = try string(name) else { return nil }
    guard words.contains(text) else {
      throw .invalid(
        "\(path(of: name)) must be one of \(words.joined(separator: ", ")),"
          + " not \"\(text.prefix(40))\"", param: path(of: name), code: "unsupported_value")
    }
    return text
  }

  mutating func float(_ name: String) throws(APIError) -> Float? {
    guard let value = value(name) else { return nil }
    guard let number = value.number else { throw mismatch(name, "a number", value) }
    return Float(number)
  }

  mutating func array(_ name: String) throws(APIError) -> [JSONValue]? {
    guard let value = value(name) else { return nil }
    guard let elements = value.array else { throw mismatch(name, "an array", value) }
    return elements
  }

  mutating func object(_ name: String) throws(APIError) -> JSONObject? {
    guard let value = value(name) else { return nil }
    guard let members = value.object else { throw mismatch(name, "an object", value) }
    return members
  }

  /// The path of a field of this object, for messages.
  func path(of name: String) -> String { path + name }

  /// The error for a field of the wrong type.
  func mismatch(_ name: String, _ expected: String, _ value: JSONValue) -> APIError {
    .invalid(
      "\(path(of: name)) must be \(expected), not \(value.kind)", param: path(of: name),
      code: "invalid_type")
  }

  /// Fails if a field is left that is neither null nor `ignored`.
  func finish(ignoring ignored: Set<String> = []) throws(APIError) {
    let unknown = members.first { member in
      !member.value.isNull && !taken.contains(member.key) && !ignored.contains(member.key)
    }
    guard let unknown else { return }
    let path = path(of: String(unknown.key.prefix(80)))
    throw .invalid(
      "\(path) is not supported by this server; leave it out", param: path,
      code: "unknown_parameter")
  }
}

extension JSONValue {
  /// What the value is, with its article, for messages.
  var kind: String {
    switch self {
    case .null: "null"
    case .bool: "a boolean"
    case .integer, .number: "a number"
    case .string: "a string"
    case .array: "an array"
    case .object: "an object"
    }
  }
}
