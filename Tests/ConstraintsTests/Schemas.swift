import ModelFiles

func json(_ text: String) throws -> JSONValue { try JSONValue(parsing: Array(text.utf8)) }

/// Schemas as clients send them, one for every keyword and some for how they go together.
enum Schemas {
  static let person = #"""
    {"type":"object","title":"Person","properties":{"name":{"type":"string","description":"who"},
    "age":{"type":"integer","minimum":0,"maximum":150},"tags":{"type":"array","items":{"type":"string"}}},
    "required":["name","age"],"additionalProperties":false,"$schema":"http://json-schema.org/x"}
    """#
  static let tree = #"""
    {"$defs":{"node":{"type":"object","properties":{"value":{"type":"number"},
    "children":{"type":"array","items":{"$ref":"#/$defs/node"}}},"required":["value","children"],
    "additionalProperties":false}},"$ref":"#/$defs/node"}
    """#
  static let list = #"""
    {"type":"object","properties":{"next":{"anyOf":[{"$ref":"#"},{"type":"null"}]},
    "x":{"const":1}},"required":["next","x"],"additionalProperties":false}
    """#
  static let union = #"""
    {"oneOf":[{"type":"object","properties":{"kind":{"const":"cat"},"lives":{"type":"integer"}},
    "required":["kind","lives"]},{"type":"object","properties":{"kind":{"enum":["dog","wolf"]},
    "good":{"type":"boolean"}},"required":["kind"]},{"type":["string","null"]}]}
    """#

  static let all = values + numbers + texts

  static let values: [String] = [
    person, tree, list, union, "{}", "true", #"{"type":"object"}"#, #"{"type":"array"}"#,
    #"{"type":["integer","null","boolean"]}"#, #"{"type":["number","integer"]}"#,
    #"{"enum":["a","ab","b\"\\\n\u0001é",1,-2.5,1e100,null,true,[1,{"a":[]}],{}]}"#,
    #"{"type":"string","enum":["x",1]}"#, #"{"const":{"a":1,"b":[true]}}"#,
    #"{"type":"string","minLength":2,"maxLength":5}"#, #"{"type":"string","minLength":3}"#,
    #"{"type":"string","maxLength":0}"#, #"{"type":"integer","minimum":-12,"maximum":105}"#,
    #"{"type":"integer","exclusiveMinimum":99,"exclusiveMaximum":10001}"#,
    #"{"type":"integer","maximum":-7}"#, #"{"type":"integer","minimum":1}"#,
    #"{"type":"integer","minimum":0,"maximum":0}"#,
    #"{"type":"array","items":{"type":"boolean"},"minItems":2,"maxItems":4}"#,
    #"{"type":"array","items":{"type":"integer"},"maxItems":0}"#,
    #"{"type":"array","items":{"type":"integer"},"minItems":3}"#,
    #"{"type":"array","prefixItems":[{"type":"string"},{"type":"integer"}],"items":false}"#,
    #"{"type":"array","prefixItems":[{"type":"null"}],"items":{"type":"boolean"},"minItems":1}"#,
    #"{"type":"object","additionalProperties":{"type":"integer"}}"#,
    #"{"type":"object","properties":{"a":{"type":"null"},"ab":{"type":"boolean"},"é":{}},"additionalProperties":{"type":"integer"}}"#,
    #"{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"},"c":{"type":"integer"}},"required":["b"]}"#,
    #"{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"}}}"#,
    #"{"type":"object","properties":{}}"#, #"{"allOf":[{"type":"boolean"}]}"#,
    #"{"anyOf":[{"type":"string"},{"type":"array","items":{"type":"string"}},{"type":"integer"}]}"#,
    #"{"properties":{"a\"b":{"type":"boolean"}},"required":["a\"b"]}"#,
  ]

  static let numbers: [String] = [
    #"{"type":"number","minimum":0,"maximum":1}"#, #"{"type":"number","exclusiveMinimum":0}"#,
    #"{"type":"number","minimum":-12.75,"exclusiveMaximum":3.125}"#,
    #"{"type":"number","exclusiveMinimum":0,"exclusiveMaximum":1e-3}"#,
    #"{"type":"number","maximum":-1e10}"#, #"{"type":"number","minimum":0.5,"maximum":0.5}"#,
    #"{"type":["number","null"],"maximum":-0.05}"#,
    #"{"type":"number","minimum":99.5,"maximum":1000}"#,
    #"{"type":"number","multipleOf":0.01,"minimum":0,"maximum":999.999}"#,
    #"{"type":"integer","multipleOf":7,"maximum":50,"minimum":-50}"#,
  ]

  static let texts: [String] =
    [
      #"{"pattern":"a|b","minLength":2,"maxLength":4}"#,
      #"{"type":["string","null"],"pattern":"^[a-z]+$","minLength":3}"#,
      #"{"type":"string","format":"uri"}"#,
      #"{"type":"string","format":"email","maxLength":30}"#,
    ] + patterns.map { #"{"type":"string","pattern":"\#($0)"}"# }
    + formats.map { #"{"type":"string","format":"\#($0)"}"# }

  /// As they stand in JSON.
  static let patterns = [
    "", "^$", "^a", "b$", "ab", "^(a|bc)*$", "^[a-c]{2,4}$", "^[^a]+$", #"^\\d{3}-\\d{4}$"#,
    #"^\\$?\\d+(?:\\.\\d{2})?$"#, #"^(?<first>\\w+)\\s\\S+$"#, "^a.c$", "a{0}", "^(a?){3}$",
    "^(?:ab){2,}?$",
    #"^[\\]\\-\\\\x]+$"#, #"^\\u00e9|\\x41$"#, "^(a|b)*a(a|b){2}$", "^(|a)+$", "(^a|b$)c?",
  ]

  static let formats = [
    "date", "time", "date-time", "duration", "uuid", "ipv4", "ipv6", "hostname", "email",
  ]
}
