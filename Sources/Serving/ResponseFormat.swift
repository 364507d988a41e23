import Constraints
import ModelFiles

/// What an answer has to be: `response_format`, or `text.format` of responses.
enum ResponseFormat: Hashable, Sendable {
  case text
  case object
  case schema(JSONValue)

  /// Reads `response_format`.
  init(_ value: JSONValue) throws(APIError) {
    var fields = try RequestFields(value, path: "response_format")
    switch try fields.word("type", of: Self.types) {
    case "json_object":
      // llama.cpp's server takes a schema here, too.
      if let schema = fields.value("schema") {
        self = .schema(try Self.checked(schema, path: "response_format.schema"))
      } else {
        self = .object
      }
    case "json_schema":
      guard let inner = fields.value("json_schema") else {
        throw .invalid(
          "response_format.json_schema is missing", param: "response_format.json_schema")
      }
      self = try Self.named(inner, path: "response_format.json_schema")
    case "text": self = .text
    default:
      throw .invalid("response_format.type is missing", param: "response_format.type")
    }
    try fields.finish()
  }

  /// Reads `text.format` of a responses request, where the schema stands beside its name.
  init(responses value: JSONValue) throws(APIError) {
    let path = "text.format"
    var fields = try RequestFields(value, path: path)
    switch try fields.word("type", of: Self.types) {
    case "json_object":
      self = .object
      try fields.finish()
    case "json_schema": self = try Self.named(value, path: path)
    case "text":
      self = .text
      try fields.finish()
    default: throw .invalid("\(path).type is missing", param: "\(path).type")
    }
  }

  private static let types = ["text", "json_object", "json_schema"]

  private static func named(_ value: JSONValue, path: String) throws(APIError) -> ResponseFormat {
    var fields = try RequestFields(value, path: path)
    guard let name = try fields.string("name"), isName(name) else {
      throw .invalid(
        "\(path).name must have 1 to 64 letters, digits, _ or -", param: "\(path).name")
    }
    _ = try fields.string("description")
    let isStrict = try fields.bool("strict") ?? false
    guard let schema = fields.value("schema") else {
      throw .invalid("\(path).schema is missing", param: "\(path).schema")
    }
    try fields.finish(ignoring: ["type"])
    return .schema(
      try checked(isStrict ? schema : schema.relaxedSchema, path: "\(path).schema"))
  }

  /// Whether a text may name a function or a schema.
  static func isName(_ text: String) -> Bool {
    (1...64).contains(text.utf8.count)
      && text.utf8.allSatisfy { byte in
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "_"), UInt8(ascii: "-"): true
        default: false
        }
      }
  }

  /// The schema, if answers can be kept to it.
  private static func checked(_ schema: JSONValue, path: String) throws(APIError) -> JSONValue {
    do {
      _ = try Grammar(.json(schema: schema))
      return schema
    } catch {
      throw APIError(error, path: path)
    }
  }

  /// The shape of such an answer; nil when it is any text.
  var shape: AnswerShape? {
    switch self {
    case .text: nil
    case .object: .jsonObject
    case .schema(let schema): .json(schema: schema)
    }
  }
}

extension APIError {
  /// A schema that cannot be used; `path` is the field that has it.
  init(_ error: SchemaError, path: String) {
    let field = error.path.isEmpty ? path : "\(path).\(error.path)"
    self = .invalid(
      "\(field.prefix(300)): \(error.problem)", param: String(field.prefix(300)),
      code: "invalid_schema")
  }
}
