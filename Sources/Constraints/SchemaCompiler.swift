import ModelFiles

/// Turns a JSON schema into rules of a grammar.
///
/// What the grammar reads is a part of what the schema allows: members come in the schema's order,
/// white space is limited, numbers have at most 18 digits before the point and, between bounds, no
/// exponent. Members that a schema with `properties` does not name appear only when
/// `additionalProperties` asks for them.
struct SchemaCompiler {
  /// More than any sensible schema needs.
  static let branchLimit = 64
  static let valueLimit = 1000
  static let propertyLimit = 256
  static let itemLimit = 512
  static let textLimit = 4096

  private let root: JSONValue
  /// By the bytes of their pointers; `String` takes canonically equal ones for the same.
  private var references: [[UInt8]: GrammarBuilder.Rule] = [:]
  private var pending: [(rule: GrammarBuilder.Rule, schema: JSONValue, path: String)] = []

  init(_ root: JSONValue) { self.root = root }

  /// The rule of the whole schema.
  mutating func compile(
    into builder: inout GrammarBuilder
  ) throws(SchemaError) -> GrammarBuilder.Rule {
    let rule = builder.rule()
    references[Array("#".utf8)] = rule
    pending.append((rule, root, ""))
    // Referenced schemas are compiled one after another, not within one another: a chain of
    // references may be long.
    while let (rule, schema, path) = pending.popLast() {
      let start = builder.node(in: rule)
      let end = builder.node(in: rule)
      builder.define(rule, from: start, to: end)
      let place = Place(rule: rule, start: start, end: end, path: path)
      try read(schema, place, &builder)
    }
    return rule
  }

  /// Where in the graph and in the schema something is compiled.
  struct Place {
    let rule: GrammarBuilder.Rule
    let start: GrammarBuilder.Node
    let end: GrammarBuilder.Node
    let path: String

    func error(_ problem: String) -> SchemaError { SchemaError(path: path, problem: problem) }

    /// The same place in the graph, a step down in the schema.
    func below(_ step: String) -> Place {
      Place(rule: rule, start: start, end: end, path: SchemaCompiler.join(path, step))
    }

    func between(_ start: GrammarBuilder.Node, _ end: GrammarBuilder.Node) -> Place {
      Place(rule: rule, start: start, end: end, path: path)
    }
  }

  static func join(_ path: String, _ step: String) -> String {
    path.isEmpty ? step : "\(path).\(step)"
  }

  /// Reads a value of `schema` between the nodes of `place`.
  mutating func read(
    _ schema: JSONValue, _ place: Place, _ builder: inout GrammarBuilder
  ) throws(SchemaError) {
    guard builder.isWithinLimits else {
      throw SchemaError(path: "", problem: "the schema is too large to constrain an answer with")
    }
    if schema == .bool(true) {
      return builder.call(builder.rule(.value), from: place.start, to: place.end)
    }
    guard let members = schema.object else {
      throw place.error(
        schema == .bool(false)
          ? "no value fits the schema false" : "a schema must be an object, true or false")
    }
    try SchemaKeywords.check(members, path: place.path)
    if let combiner = try SchemaKeywords.combiner(of: members, path: place.path) {
      return try read(combiner, of: members, place, &builder)
    }
    for type in try types(of: members, place) {
      switch type {
      case "object": try readObject(members, place, &builder)
      case "array": try readArray(members, place, &builder)
      case "string": try readString(members, place, &builder)
      case "integer": try readInteger(members, place, &builder)
      case "number": try readNumber(members, place, &builder)
      case "boolean":
        for word in ["true", "false"] {
          builder.read(word.utf8, from: place.start, to: place.end)
        }
      case "null": builder.read("null".utf8, from: place.start, to: place.end)
      default: builder.call(builder.rule(.value), from: place.start, to: place.end)
      }
    }
  }

  /// The types that are named, else the one that other keywords suggest, else "any".
  private func types(of members: JSONObject, _ place: Place) throws(SchemaError) -> [String] {
    let named: [String?]
    switch members["type"] {
    case nil:
      if members["properties"] != nil || members["required"] != nil
        || members["additionalProperties"] != nil
      {
        return ["object"]
      }
      if members["items"] != nil || members["prefixItems"] != nil { return ["array"] }
      if ["minLength", "maxLength", "pattern"].contains(where: { members[$0] != nil }) {
        return ["string"]
      }
      let bounds = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]
      return bounds.contains { members[$0] != nil } ? ["number"] : ["any"]
    case .string(let name): named = [name]
    case .array(let values): named = values.map(\.string)
    default: named = []
    }
    var types: [String] = []
    for case let name in named {
      guard let name, SchemaKeywords.types.contains(name) else {
        throw place.below("type").error(
          "a type must be one of " + SchemaKeywords.types.sorted().joined(separator: ", "))
      }
      // A number may be an integer: reading both would be reading one of them twice.
      if !types.contains(name) { types.append(name) }
    }
    guard !types.isEmpty else {
      throw place.below("type").error("type must be a string or an array of strings")
    }
    return types.contains("number") ? types.filter { $0 != "integer" } : types
  }

  // MARK: Combining

  private mutating func read(
    _ combiner: String, of members: JSONObject, _ place: Place, _ builder: inout GrammarBuilder
  ) throws(SchemaError) {
    guard let value = members[combiner] else { return }
    let inner = place.below(combiner)
    switch combiner {
    case "$ref":
      builder.call(try reference(value, inner, &builder), from: place.start, to: place.end)
    case "const": try readValues([value], of: members, inner, &builder)
    case "enum":
      guard let values = value.array, !values.isEmpty, values.count <= Self.valueLimit else {
        throw inner.error("enum must be an array of 1 to \(Self.valueLimit) values")
      }
      try readValues(values, of: members, inner, &builder)
    case "allOf":
      guard let schemas = value.array, schemas.count == 1 else {
        throw inner.error("allOf is supported with one schema only; merge them")
      }
      try read(schemas[0], inner.below("0"), &builder)
    default:
      guard let schemas = value.array, !schemas.isEmpty, schemas.count <= Self.branchLimit else {
        throw inner.error("\(combiner) must be an array of 1 to \(Self.branchLimit) schemas")
      }
      if combiner == "oneOf", !SchemaOverlap(root).areDisjoint(schemas) {
        throw inner.error(
          "the schemas of oneOf must differ in type or in a constant that all require; use anyOf")
      }
      for (index, schema) in schemas.enumerated() {
        try read(schema, inner.below("\(index)"), &builder)
      }
    }
  }

  /// The rule of a referenced schema, compiled once.
  private mutating func reference(
    _ value: JSONValue, _ place: Place, _ builder: inout GrammarBuilder
  ) throws(SchemaError) -> GrammarBuilder.Rule {
    guard let pointer = value.string, let target = root.at(pointer: pointer) else {
      throw place.error(
        "$ref must be # or point into this schema, as #/$defs/name, to something that is there")
    }
    if let rule = references[Array(pointer.utf8)] { return rule }
    let path = pointer.dropFirst(2).replacing("/", with: ".")
    let rule = rule(of: target, String(path), &builder)
    references[Array(pointer.utf8)] = rule
    return rule
  }

  /// A rule for a schema, to be compiled later; `false` fits nothing and is never called.
  mutating func rule(
    of schema: JSONValue, _ path: String, _ builder: inout GrammarBuilder
  ) -> GrammarBuilder.Rule {
    if schema == .bool(true) { return builder.rule(.value) }
    let rule = builder.rule()
    if schema != .bool(false) { pending.append((rule, schema, path)) }
    return rule
  }

  /// One of the values; those that are not of the schema's own type do not count.
  private func readValues(
    _ values: [JSONValue], of members: JSONObject, _ place: Place,
    _ builder: inout GrammarBuilder
  ) throws(SchemaError) {
    let types = members["type"] == nil ? nil : try types(of: members, place)
    let fitting = values.filter { value in
      types?.contains { value.isOf(schemaType: $0) } ?? true
    }
    guard !fitting.isEmpty else { throw place.error("no value is of the schema's type") }
    builder.read(
      anyOf: fitting.map { Array($0.text().utf8) }, in: place.rule, from: place.start, to: place.end
    )
  }

  /// A field that counts something.
  func count(
    _ name: String, of members: JSONObject, atMost limit: Int, _ place: Place
  ) throws(SchemaError) -> Int? {
    guard let value = members[name] else { return nil }
    guard let number = value.integer, (0...limit).contains(number) else {
      throw place.below(name).error("\(name) must be an integer from 0 to \(limit)")
    }
    return number
  }
}

extension GrammarBuilder {
  /// One of several texts; common beginnings are read once.
  mutating func read(
    anyOf texts: [[UInt8]], in rule: Rule, from start: Node, to end: Node
  ) {
    var children: [Node: [UInt8: Node]] = [:]
    for text in Set(texts).sorted(by: { $0.lexicographicallyPrecedes($1) }) {
      var place = start
      for byte in text {
        if let next = children[place]?[byte] {
          place = next
        } else {
          let next = node(in: rule)
          read(byte...byte, from: place, to: next)
          children[place, default: [:]][byte] = next
          place = next
        }
      }
      jump(from: place, to: end)
    }
  }
}

extension JSONValue {
  /// What a JSON pointer like `#/$defs/name` leads to, through objects and arrays.
  func at(pointer: String) -> JSONValue? {
    guard pointer.utf8.first == UInt8(ascii: "#") else { return nil }
    guard pointer != "#" else { return self }
    var value = self
    let steps = pointer.utf8.dropFirst().split(
      separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    guard steps.count > 1, steps[0].isEmpty else { return nil }
    for step in steps.dropFirst() {
      let name = String(Substring(step)).replacing("~1", with: "/").replacing("~0", with: "~")
      if let elements = value.array {
        guard let index = Int(name), elements.indices.contains(index) else { return nil }
        value = elements[index]
      } else {
        guard let next = value[name] else { return nil }
        value = next
      }
    }
    return value
  }
}
