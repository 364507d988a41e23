public import ModelFiles

extension JSONValue {
  /// The schema without what answers cannot be kept to, for clients that do not insist on all of it.
  ///
  /// Whatever fits the schema fits this one, too. What is wrong in a schema stays as it is.
  public var relaxedSchema: JSONValue {
    guard let members = object else { return self }
    var kept = members.filter { member in
      SchemaKeywords.isKnown(member.key) && !Self.isBeyondLimits(member.key, member.value)
    }
    // Keywords that combine schemas do not go together with others.
    while let combiner = SchemaKeywords.combiner(of: kept) {
      let others = SchemaKeywords.conflicts(with: combiner, in: kept)
      guard !others.isEmpty else { break }
      let isPrecise = ["$ref", "const", "enum"].contains(combiner)
      kept.removeAll { isPrecise ? others.contains($0.key) : $0.key == combiner }
    }
    return .object(JSONObject(kept.map { Self.relaxed($0.key, $0.value) }))
  }

  private static func isBeyondLimits(_ keyword: String, _ value: JSONValue) -> Bool {
    switch keyword {
    case "pattern":
      guard let pattern = value.string else { return false }
      return (try? PatternAutomaton(PatternParser.parse(pattern))) == nil
    case "multipleOf": return value.number.map { $0 > 0 && DecimalStep($0) == nil } ?? false
    case "minLength", "maxLength": return value.integer ?? 0 > SchemaCompiler.textLimit
    case "minItems", "maxItems": return value.integer ?? 0 > SchemaCompiler.itemLimit
    default: return false
    }
  }

  private static func relaxed(_ keyword: String, _ value: JSONValue) -> (String, JSONValue) {
    switch keyword {
    case "properties", "$defs", "definitions":
      let members = value.object.map { JSONObject($0.map { ($0.key, $0.value.relaxedSchema) }) }
      return (keyword, members.map { .object($0) } ?? value)
    case "items", "additionalProperties": return (keyword, value.relaxedSchema)
    case "prefixItems", "anyOf", "allOf", "oneOf":
      // To fit exactly one of several is more than to fit one.
      let name = keyword == "oneOf" ? "anyOf" : keyword
      return (name, value.array.map { .array($0.map(\.relaxedSchema)) } ?? value)
    default: return (keyword, value)
    }
  }
}
