import Constraints
import Inference
import ModelFiles
import Testing
import Tokenization

@Suite(.timeLimit(.minutes(10))) struct SchemaErrorTests {
  static let refused: [(String, String)] = [
    ("1", "a schema must be an object, true or false"),
    ("false", "no value fits the schema false"),
    (
      #"{"type":"object","properties":{"a":{"type":"object","minProperties":1}}}"#,
      "properties.a: minProperties is not supported by this server; leave it out"
    ),
    (#"{"not":{}}"#, "not is not supported by this server; leave it out"),
    (
      #"{"type":"text"}"#,
      "type: a type must be one of array, boolean, integer, null, number, object, string"
    ),
    (#"{"type":[]}"#, "type: type must be a string or an array of strings"),
    (
      #"{"type":"integer","minimum":1e30}"#,
      "minimum: minimum must be a number of at most 18 digits"
    ),
    (#"{"type":"number","minimum":"0"}"#, "minimum: minimum must be a number"),
    (#"{"type":"number","minimum":0.5,"exclusiveMaximum":0.5}"#, "no number is within the bounds"),
    (#"{"type":"string","pattern":1}"#, "pattern: pattern must be a string"),
    (
      #"{"properties":{"a":{"pattern":"(?!a)"}}}"#,
      "properties.a.pattern: the pattern cannot be kept to: groups that look ahead or behind, and "
        + "flags, are not supported"
    ),
    (
      #"{"pattern":"a{2,1}"}"#,
      "pattern: the pattern cannot be kept to: the numbers of a repetition are out of order"
    ),
    (
      #"{"pattern":"((a{999}){999}){999}"}"#,
      "pattern: the pattern cannot be kept to: it is too large to constrain an answer with"
    ),
    (#"{"type":"integer","minimum":3,"maximum":2}"#, "no integer is within the bounds"),
    (#"{"type":"integer","minimum":3.2,"maximum":3.9}"#, "no integer is within the bounds"),
    (
      #"{"type":"number","multipleOf":0}"#,
      "multipleOf: multipleOf must be a positive number of few digits, for example 5 or 0.01"
    ),
    (
      #"{"type":"integer","multipleOf":409}"#,
      "multipleOf: multipleOf must be a positive number of few digits, for example 5 or 0.01"
    ),
    (#"{"enum":[]}"#, "enum: enum must be an array of 1 to 1000 values"),
    (#"{"type":"string","enum":[1]}"#, "enum: no value is of the schema's type"),
    (
      #"{"anyOf":[{}],"properties":{}}"#,
      "anyOf together with properties is not supported; use one of them"
    ),
    (
      #"{"oneOf":[{"type":"integer"},{"type":"number"}]}"#,
      "oneOf: the schemas of oneOf must differ in type or in a constant that all require; use anyOf"
    ),
    (
      #"{"allOf":[{},{}]}"#, "allOf: allOf is supported with one schema only; merge them"
    ),
    (
      ##"{"$ref":"#/$defs/x"}"##,
      "$ref: $ref must be # or point into this schema, as #/$defs/name, to something that is there"
    ),
    (
      #"{"$ref":"http://example.com/x"}"#,
      "$ref: $ref must be # or point into this schema, as #/$defs/name, to something that is there"
    ),
    (
      ##"{"$ref":"#"}"##, "a schema refers to itself without an object or array in between"
    ),
    (
      ##"{"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]}"##,
      "no value fits the schema: it asks for what cannot be, or for endless or too deep nesting"
    ),
    (
      #"{"pattern":"$a"}"#,
      "no value fits the schema: it asks for what cannot be, or for endless or too deep nesting"
    ),
    (
      #"{"type":"number","maximum":-1e20}"#,
      "no value fits the schema: it asks for what cannot be, or for endless or too deep nesting"
    ),
    (
      #"{"type":"object","properties":{"a":{}},"required":["b"]}"#,
      "required: required must only have names of properties"
    ),
    (
      #"{"type":"array","minItems":3,"maxItems":2}"#,
      "no array has at least 3 and at most 2 items here"
    ),
    (
      #"{"type":"array","maxItems":100000}"#,
      "maxItems: maxItems must be an integer from 0 to 512"
    ),
    (#"{"type":"string","minLength":9,"maxLength":2}"#, "minLength is above maxLength"),
    (
      #"{"type":"string","maxLength":5000}"#,
      "maxLength: maxLength must be an integer from 0 to 4096"
    ),
  ]

  @Test(arguments: refused)
  func whatIsWrongIsNamed(schema: String, message: String) throws {
    let schema = try json(schema)
    let error = #expect(throws: SchemaError.self) { try Grammar(.json(schema: schema)) }
    #expect(error?.description == message)
  }

  /// Each would take very long, or crash, if it were compiled naively.
  enum Hostile: String, CaseIterable {
    case chain = "a chain of a thousand references"
    case circle = "a circle of references"
    case unrolled = "arrays of arrays, unrolled"
    case longNames = "long names beside others"
    case alike = "many optional members that look alike"
    case lengths = "many lengths"
    case unions = "nested unions"
    case emptiness = "a pattern of nothing, many times"
    case options = "a pattern of many things that may be left out"
    case nothings = "a pattern of many choices of nothing"
    case subsets = "a pattern whose states are sets of many others"

    var schema: String {
      switch self {
      case .chain:
        let links = (0..<1000).map { ##""d\##($0)":{"$ref":"#/$defs/d\##($0 + 1)"}"## }
        return ##"{"$ref":"#/$defs/d0","$defs":{\##(links.joined(separator: ",")),"d1000":{}}}"##
      case .circle:
        let links = (0..<1000).map { ##""d\##($0)":{"$ref":"#/$defs/d\##(($0 + 1) % 1000)"}"## }
        return ##"{"$ref":"#/$defs/d0","$defs":{\##(links.joined(separator: ","))}}"##
      case .unrolled:
        return (0..<20).reduce(#"{"type":"integer"}"#) { inner, _ in
          #"{"type":"array","minItems":512,"maxItems":512,"items":\#(inner)}"#
        }
      case .longNames:
        let names = (0..<256).map { "\"\(String(repeating: "n", count: 200))\($0)\":{}" }
        return #"{"properties":{\#(names.joined(separator: ","))},"additionalProperties":true}"#
      case .alike:
        let names = (0..<256).map { "\"\($0)\":{\"type\":\"string\"}" }
        let object = #"{"type":"object","properties":{\#(names.joined(separator: ","))}}"#
        return #"{"anyOf":[\#(Array(repeating: object, count: 64).joined(separator: ","))]}"#
      case .lengths:
        let strings = (1...64).map { #"{"type":"string","minLength":\#($0),"maxLength":512}"# }
        return #"{"anyOf":[\#(strings.joined(separator: ","))]}"#
      case .unions:
        return (0..<8).reduce(#"{"type":"integer"}"#) { inner, _ in
          #"{"anyOf":[\#(inner),\#(inner),\#(inner)]}"#
        }
      case .emptiness: return #"{"pattern":"^((((){4096}){9})*)*$"}"#
      case .options: return #"{"pattern":"^((a?b?c?){600})*$"}"#
      case .nothings:
        let nothings = String(repeating: "|", count: 1900)
        return #"{"pattern":"^((\#(nothings)){4096}){9}$","maxLength":500}"#
      case .subsets: return #"{"pattern":"^(a|b)*a(a|b){500}$"}"#
      }
    }
  }

  @Test(arguments: Hostile.allCases)
  func hostileSchemasAreCheap(_ hostile: Hostile) throws {
    let schema = try json(hostile.schema)
    guard let grammar = try? Grammar(.json(schema: schema)) else { return }
    let automaton = TokenAutomaton(grammar, Vocabulary.demo)
    var matcher = TokenMatcher(automaton)
    var random = SeededRandom(seed: 1)
    // The time limit of the suite is the test: compiled naively, this takes hours.
    for _ in 0..<20 {
      let (mask, work) = matcher.allowed(of: Vocabulary.count)
      #expect(work < 20_000_000)
      let tokens = (0..<TokenID(Vocabulary.count)).filter(mask.contains)
      guard let token = tokens.randomElement(using: &random), matcher.accept(token) else { break }
    }
  }

  @Test func workForOneTokenEndsAtItsBudget() throws {
    let schema = try JSONValue(parsing: Array(#"{"type":"string","minLength":3}"#.utf8))
    let automaton = TokenAutomaton(try Grammar(.json(schema: schema)), Vocabulary.demo)
    var matcher = TokenMatcher(automaton)
    var mask = TokenMask(count: Vocabulary.count)
    var budget = ConstraintBudget(3)
    #expect(throws: ConstraintFailure.self) { try matcher.allowNext(in: &mask, budget: &budget) }
    #expect(mask.isEmpty)
    // What was given up is no answer later.
    budget = ConstraintBudget(1 << 19)
    try matcher.allowNext(in: &mask, budget: &budget)
    #expect(mask == TokenMatcher(automaton).allowed(of: Vocabulary.count).0 && !mask.isEmpty)
  }
}
