import Constraints
import ModelFiles
import Testing

/// Schemas of clients that do not insist: what cannot be kept to is left out.
@Suite struct RelaxationTests {
  @Test(
    arguments: [
      (
        #"{"type":"array","items":{"type":"string"},"uniqueItems":true}"#,
        #"{"type":"array","items":{"type":"string"}}"#
      ),
      (
        #"{"properties":{"not":{"type":"integer","multipleOf":1e-20}},"minProperties":1}"#,
        #"{"properties":{"not":{"type":"integer"}}}"#
      ),
      (
        ##"{"$ref":"#/$defs/a","minLength":1,"$defs":{"a":{"not":{},"type":"null"}}}"##,
        ##"{"$ref":"#/$defs/a","$defs":{"a":{"type":"null"}}}"##
      ),
      (
        #"{"type":"object","properties":{"a":{}},"anyOf":[{"required":["a"]}]}"#,
        #"{"type":"object","properties":{"a":{}}}"#
      ),
      (
        #"{"oneOf":[{"type":"integer"},{"type":"number","not":{}}]}"#,
        #"{"anyOf":[{"type":"integer"},{"type":"number"}]}"#
      ),
      (
        #"{"enum":["a","b"],"type":"string","minLength":1}"#, #"{"enum":["a","b"],"type":"string"}"#
      ),
      (#"{"pattern":"^(?!x)","maxLength":100000,"x-a":1}"#, #"{"x-a":1}"#),
      (#"{"pattern":"^a","maxLength":10}"#, #"{"pattern":"^a","maxLength":10}"#),
      (
        #"{"prefixItems":[{"not":{}}],"items":{"not":{}},"maxItems":1000}"#,
        #"{"prefixItems":[{}],"items":{}}"#
      ),
      (#"{"enum":[{"not":1}],"default":{"not":1}}"#, #"{"enum":[{"not":1}],"default":{"not":1}}"#),
      ("true", "true"), ("7", "7"), (#"{"properties":7}"#, #"{"properties":7}"#),
    ]
  ) func whatCannotBeKeptIsLeftOut(schema: String, relaxed: String) throws {
    #expect(try json(schema).relaxedSchema.text() == json(relaxed).text())
  }

  /// What is supported is kept as it is, except that one of several need not be the only one.
  @Test(arguments: Schemas.all.filter { !$0.contains("oneOf") })
  func supportedSchemasStay(schema: String) throws {
    #expect(try json(schema).relaxedSchema.text() == json(schema).text())
  }
}
