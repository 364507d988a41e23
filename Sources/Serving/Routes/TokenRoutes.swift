import Hummingbird
import ModelFiles
import Tokenization

/// `POST /tokenize` and `POST /detokenize`.
struct TokenRoutes: RouteFamily {
  let server: ChatServer

  func add(to router: Router<ServingContext>) {
    router.post("tokenize") { request, _ in
      Response.json(value: try tokenize(await server.json(of: request).value))
    }
    router.post("detokenize") { request, _ in
      Response.json(value: try detokenize(await server.json(of: request).value))
    }
  }

  /// The tokens of `content`, or of `messages` written in the chat format.
  private func tokenize(_ body: JSONValue) throws(APIError) -> JSONValue {
    var fields = try RequestFields(body)
    try server.check(model: try fields.string("model"))
    let content = try fields.string("content")
    let prompt = try fields.string("prompt")
    let text = content ?? prompt
    let messages = try fields.array("messages")
    let addsBOS = try fields.bool("add_special") ?? false
    let readsSpecials = try fields.bool("parse_special") ?? true
    let showsPieces = try fields.bool("with_pieces") ?? false
    try fields.finish()
    let tokens: [TokenID]
    switch (text, messages) {
    case (let text?, nil):
      tokens = server.tokenizer.encode(text, specials: readsSpecials, addBOS: addsBOS)
    case (nil, let messages?):
      let plan = try server.plan(
        chat: MessageFields(messages).messages, tools: ToolFields(), GenerationFields(),
        thinks: nil)
      tokens = plan.prompts.first ?? []
    default:
      throw .invalid("either content or messages must be given", param: "content")
    }
    guard showsPieces else {
      return ["tokens": .array(tokens.map { .integer(Int($0)) })]
    }
    return ["tokens": .array(tokens.map(piece))]
  }

  /// A token and what it writes: a text, or bytes when that is not UTF-8 alone.
  private func piece(_ token: TokenID) -> JSONValue {
    let bytes = server.tokenizer.bytes(of: token)
    let text = String(validating: bytes, as: UTF8.self)
    let piece: JSONValue =
      if bytes.isEmpty {
        .string(server.tokenizer.name(of: token))
      } else if let text {
        .string(text)
      } else {
        .array(bytes.map { .integer(Int($0)) })
      }
    return ["id": .integer(Int(token)), "piece": piece]
  }

  private func detokenize(_ body: JSONValue) throws(APIError) -> JSONValue {
    var fields = try RequestFields(body)
    try server.check(model: try fields.string("model"))
    guard let values = try fields.array("tokens") else {
      throw .invalid("tokens must be an array of token ids", param: "tokens")
    }
    try fields.finish()
    var tokens: [TokenID] = []
    tokens.reserveCapacity(values.count)
    for value in values {
      guard let id = value.integer, (0..<server.tokenizer.vocabularySize).contains(id) else {
        throw .invalid(
          "tokens must be ids from 0 to \(server.tokenizer.vocabularySize - 1)", param: "tokens")
      }
      tokens.append(TokenID(truncatingIfNeeded: id))
    }
    return ["content": .string(server.tokenizer.decode(tokens))]
  }
}
