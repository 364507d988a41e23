import ModelFiles

extension SchemaCompiler {
  private typealias Node = GrammarBuilder.Node

  /// What an object schema says of members that it does not name.
  private enum Others {
    case none
    case fitting(JSONValue)
  }

  mutating func readObject(
    _ members: JSONObject, _ place: Place, _ builder: inout GrammarBuilder
  ) throws(SchemaError) {
    let properties = try properties(of: members, place)
    let required = try required(of: members, properties, place)
    let others = others(of: members)
    let rule = builder.rule(isContainer: true)
    let (start, end) = (builder.node(in: rule), builder.node(in: rule))
    builder.define(rule, from: start, to: end)
    builder.call(rule, from: place.start, to: place.end)
    let space = builder.rule(.space)
    let opened = builder.node(in: rule)
    builder.read("{".utf8, from: start, to: opened)
    // Two chains: nothing has been written yet, and something has.
    var empty = builder.node(in: rule)
    builder.call(space, from: opened, to: empty)
    var written = builder.node(in: rule)
    for (name, schema) in properties {
      let inner = Place(
        rule: rule, start: start, end: end, path: Self.join(place.path, "properties.\(name)"))
      let next = (empty: builder.node(in: rule), written: builder.node(in: rule))
      let named = builder.node(in: rule)
      let comma = builder.node(in: rule)
      builder.read(JSONValue.string(name).text().utf8, from: empty, to: named)
      builder.readComma(rule, from: written, to: comma)
      builder.read(JSONValue.string(name).text().utf8, from: comma, to: named)
      try readValue(schema, after: named, inner.between(named, next.written), &builder)
      if !required.contains(Array(name.utf8)) {
        builder.jump(from: empty, to: next.empty)
        builder.jump(from: written, to: next.written)
      }
      (empty, written) = next
    }
    if case .fitting(let schema) = others {
      try readOthers(
        schema, named: properties.map(\.name), empty: empty, written: written,
        Place(
          rule: rule, start: start, end: end, path: Self.join(place.path, "additionalProperties")),
        &builder)
    }
    let closes = builder.node(in: rule)
    builder.jump(from: empty, to: closes)
    builder.call(space, from: written, to: closes)
    builder.read("}".utf8, from: closes, to: end)
  }

  /// A colon, perhaps a blank, and a value of the schema.
  private mutating func readValue(
    _ schema: JSONValue, after named: GrammarBuilder.Node, _ place: Place,
    _ builder: inout GrammarBuilder
  ) throws(SchemaError) {
    let colon = builder.node(in: place.rule)
    let blank = builder.node(in: place.rule)
    builder.read(":".utf8, from: named, to: colon)
    builder.read(" ".utf8, from: colon, to: blank)
    builder.jump(from: colon, to: blank)
    try read(schema, place.between(blank, place.end), &builder)
  }

  /// Any number of members with other names, all after the named ones.
  private mutating func readOthers(
    _ schema: JSONValue, named: [String], empty: GrammarBuilder.Node,
    written: GrammarBuilder.Node, _ place: Place, _ builder: inout GrammarBuilder
  ) throws(SchemaError) {
    let comma = builder.node(in: place.rule)
    let key = builder.node(in: place.rule)
    builder.readComma(place.rule, from: written, to: comma)
    for start in [empty, comma] {
      if named.isEmpty {
        builder.call(builder.rule(.string), from: start, to: key)
      } else {
        builder.readKey(
          except: named.map { Array($0.utf8) }, in: place.rule, from: start, to: key)
      }
    }
    try readValue(schema, after: key, place.between(key, written), &builder)
  }

  private func properties(
    of members: JSONObject, _ place: Place
  ) throws(SchemaError) -> [(name: String, schema: JSONValue)] {
    guard let value = members["properties"] else { return [] }
    guard let object = value.object, object.count <= Self.propertyLimit else {
      throw place.below("properties").error(
        "properties must be an object of at most \(Self.propertyLimit) schemas")
    }
    return object.map { ($0.key, $0.value) }
  }

  private func required(
    of members: JSONObject, _ properties: [(name: String, schema: JSONValue)], _ place: Place
  ) throws(SchemaError) -> Set<[UInt8]> {
    guard let value = members["required"] else { return [] }
    var names: Set<[UInt8]> = []
    let known = Set(properties.map { Array($0.name.utf8) })
    guard let elements = value.array else {
      throw place.below("required").error("required must be an array of names")
    }
    for element in elements {
      guard let name = element.string.map({ Array($0.utf8) }), known.contains(name) else {
        throw place.below("required").error("required must only have names of properties")
      }
      names.insert(name)
    }
    return names
  }

  private func others(of members: JSONObject) -> Others {
    switch members["additionalProperties"] {
    case .bool(false): .none
    case nil: members["properties"] == nil ? .fitting(.bool(true)) : .none
    case .some(let schema): .fitting(schema)
    }
  }

  // MARK: Arrays

  mutating func readArray(
    _ members: JSONObject, _ place: Place, _ builder: inout GrammarBuilder
  ) throws(SchemaError) {
    let least = try count("minItems", of: members, atMost: Self.itemLimit, place) ?? 0
    let first = try firstItems(of: members, place)
    let others = members["items"] ?? .bool(true)
    var most = try count("maxItems", of: members, atMost: Self.itemLimit, place)
    if others == .bool(false) { most = min(most ?? first.count, first.count) }
    guard least <= most ?? .max else {
      throw place.error("no array has at least \(least) and at most \(most ?? 0) items here")
    }
    let rule = builder.rule(isContainer: true)
    let (start, end) = (builder.node(in: rule), builder.node(in: rule))
    builder.define(rule, from: start, to: end)
    builder.call(rule, from: place.start, to: place.end)
    let opened = builder.node(in: rule)
    let closes = builder.node(in: rule)
    var last = builder.node(in: rule)
    builder.read("[".utf8, from: start, to: opened)
    builder.call(builder.rule(.space), from: opened, to: last)
    if least == 0 { builder.jump(from: last, to: closes) }
    let unrolled = most ?? max(least, first.count, 1)
    let other = self.rule(of: others, Self.join(place.path, "items"), &builder)
    let rules = first.enumerated().map { index, schema in
      self.rule(of: schema, Self.join(place.path, "prefixItems.\(index)"), &builder)
    }
    for index in 0..<unrolled {
      let next = builder.node(in: rule)
      let item = index == 0 ? last : builder.node(in: rule)
      if index > 0 { builder.readComma(rule, from: last, to: item) }
      builder.call(index < rules.count ? rules[index] : other, from: item, to: next)
      last = next
      if index + 1 >= least { builder.call(builder.rule(.space), from: last, to: closes) }
    }
    if most == nil {
      let item = builder.node(in: rule)
      builder.readComma(rule, from: last, to: item)
      builder.call(other, from: item, to: last)
    }
    builder.read("]".utf8, from: closes, to: end)
  }

  private func firstItems(
    of members: JSONObject, _ place: Place
  ) throws(SchemaError) -> [JSONValue] {
    guard let value = members["prefixItems"] else { return [] }
    guard let schemas = value.array, schemas.count <= Self.branchLimit else {
      throw place.below("prefixItems").error(
        "prefixItems must be an array of at most \(Self.branchLimit) schemas")
    }
    return schemas
  }
}

extension GrammarBuilder {
  /// A quoted name without escapes that is none of `names`.
  ///
  /// Names are told apart by their ASCII bytes: where one of `names` goes on with a longer
  /// character, no other longer character may stand.
  mutating func readKey(
    except names: [[UInt8]], in rule: Rule, from start: Node, to end: Node
  ) {
    let other = node(in: rule)  // inside a name that none of `names` begins with
    readScalar(rule, from: other, to: other)
    read("\"".utf8, from: other, to: end)
    let opened = node(in: rule)
    read("\"".utf8, from: start, to: opened)
    var work = [(names: names, depth: 0, place: opened)]
    while let (names, depth, place) = work.popLast() {
      if !names.contains(where: { $0.count == depth }) {
        read("\"".utf8, from: place, to: end)
      }
      let longer = Dictionary(grouping: names.filter { $0.count > depth }) { $0[depth] }
      for range in Self.plainRanges(without: Set(longer.keys)) {
        read(range, from: place, to: other)
      }
      for (byte, names) in longer.sorted(by: { $0.key < $1.key })
      where Self.plainRanges(without: []).contains(where: { $0.contains(byte) }) {
        let deeper = node(in: rule)
        read(byte...byte, from: place, to: deeper)
        work.append((names, depth + 1, deeper))
      }
      if longer.keys.allSatisfy({ $0 < 0x80 }) { readLongScalar(rule, from: place, to: other) }
    }
  }

  /// Ranges of the ASCII characters that may stand in a string as they are, without some.
  private static func plainRanges(without bytes: Set<UInt8>) -> [ClosedRange<UInt8>] {
    var ranges: [ClosedRange<UInt8>] = []
    for byte in 0x20...0x7F as ClosedRange<UInt8>
    where byte != 0x22 && byte != 0x5C && !bytes.contains(byte) {
      if let last = ranges.last, last.upperBound + 1 == byte {
        ranges[ranges.count - 1] = last.lowerBound...byte
      } else {
        ranges.append(byte...byte)
      }
    }
    return ranges
  }
}
