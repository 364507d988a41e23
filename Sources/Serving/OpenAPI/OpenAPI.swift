/// The description of this server's API, as clients and test tools read it.
///
/// Kept as text, because it is read far more often than changed; `OpenAPITests` compares it with the
/// routes and the fields that are really there.
enum OpenAPI {
  /// The document, OpenAPI 3.1 as JSON.
  static let document =
    "{" + head + #""paths":{"# + paths + #"},"components":{"securitySchemes":{"# + security
    + #"},"responses":{"# + responses + #"},"schemas":{"#
    + [requestSchemas, messageSchemas, formatSchemas, answerSchemas, responseSchemas, otherSchemas]
    .joined(separator: ",") + "}}}"

  private static let head = #"""
    "openapi": "3.1.0",
    "info": {
      "title": "Conclave",
      "version": "1",
      "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
      "description": "OpenAI-compatible API of a Conclave coordinator. Members that are null count as absent. Unknown members are refused, and the error names them. With a seed an answer is a function of the request, so a stream that was dropped can be continued: repeat the request with the header Last-Event-ID, or get /v1/requests/{id}; the header X-Stream-ID tells the id before the first event."
    },
    "security": [{}, {"key": []}],
    """#

  private static let security = #"""
    "key": {"type": "http", "scheme": "bearer"}
    """#

  private static let responses = #"""
    "Refused": {
      "description": "The request is wrong, not allowed, or comes too early (429, with Retry-After).",
      "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    },
    "Unavailable": {
      "description": "The server cannot answer now; the request may be repeated.",
      "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    }
    """#

  private static let paths = [
    answering(
      "/v1/chat/completions", "createChatCompletion", "Continues a conversation.",
      request: "ChatRequest", answer: "ChatCompletion"),
    answering(
      "/v1/completions", "createCompletion",
      "Continues a text, or fills the gap before `suffix`.", request: "CompletionRequest",
      answer: "Completion"),
    answering(
      "/v1/responses", "createResponse",
      "Continues a conversation; streams have typed events. Nothing is stored.",
      request: "ResponseRequest", answer: "Response"),
    asking(
      "/tokenize", "tokenize", "The tokens of a text or a conversation.",
      request: "TokenizeRequest", answer: "TokenizeAnswer"),
    asking(
      "/detokenize", "detokenize", "The text of tokens.", request: "DetokenizeRequest",
      answer: "DetokenizeAnswer"),
    getting("/v1/models", "listModels", "The model of this server.", answer: "ModelList"),
    #"""
    "/v1/models/{model}": {"get": {
      "operationId": "getModel", "summary": "The model of this server, by its name.",
      "parameters": [{"name": "model", "in": "path", "required": true, "schema": {"type": "string"}}],
      "responses": {
        "200": {"description": "It is here.", "content": {"application/json": {
          "schema": {"$ref": "#/components/schemas/Model"}}}},
        "4XX": {"$ref": "#/components/responses/Refused"}
      }
    }}
    """#,
    #"""
    "/v1/requests/{id}": {"get": {
      "operationId": "continueStream",
      "summary": "The events of a stream after those that have been read.",
      "parameters": [
        {"name": "id", "in": "path", "required": true, "schema": {"type": "string"},
         "description": "The id of the answer."},
        {"name": "from", "in": "query", "schema": {"type": "string",
         "pattern": "^[0-9]{1,9}([.][0-9]{1,9}){0,63}$"},
         "description": "How many events have been read of each answer, as 12 or 5.7."},
        {"name": "Last-Event-ID", "in": "header", "schema": {"type": "string"},
         "description": "The id of the last event read; from counts more."}
      ],
      "responses": {
        "200": {"description": "The rest of the stream.", "content": {"text/event-stream": {
          "schema": {"description": "Events."}}}},
        "4XX": {"$ref": "#/components/responses/Refused"},
        "5XX": {"$ref": "#/components/responses/Unavailable"}
      }
    }}
    """#,
    getting("/health", "health", "The process lives.", answer: "Health"),
    #"""
    "/ready": {"get": {
      "operationId": "ready", "summary": "Whether requests can be answered, and by whom.",
      "responses": {
        "200": {"description": "They can.", "content": {"application/json": {
          "schema": {"$ref": "#/components/schemas/Readiness"}}}},
        "503": {"description": "They would have to wait.", "content": {"application/json": {
          "schema": {"$ref": "#/components/schemas/Readiness"}}}},
        "4XX": {"$ref": "#/components/responses/Refused"}
      }
    }}
    """#,
    #"""
    "/openapi.json": {"get": {
      "operationId": "document", "summary": "This document.",
      "responses": {
        "200": {"description": "OpenAPI 3.1.", "content": {"application/json": {
          "schema": {"type": "object"}}}},
        "4XX": {"$ref": "#/components/responses/Refused"}
      }
    }}
    """#,
  ].joined(separator: ",")

  /// A route that answers whole or as a stream.
  private static func answering(
    _ path: String, _ id: String, _ summary: String, request: String, answer: String
  ) -> String {
    #"""
    "\#(path)": {"post": {
      "operationId": "\#(id)", "summary": "\#(summary)",
      "requestBody": {"required": true, "content": {"application/json": {
        "schema": {"$ref": "#/components/schemas/\#(request)"}}}},
      "responses": {
        "200": {"description": "The answer; with stream true, events.", "content": {
          "application/json": {"schema": {"$ref": "#/components/schemas/\#(answer)"}},
          "text/event-stream": {"schema": {"description": "Events."}}}},
        "4XX": {"$ref": "#/components/responses/Refused"},
        "5XX": {"$ref": "#/components/responses/Unavailable"}
      }
    }}
    """#
  }

  private static func asking(
    _ path: String, _ id: String, _ summary: String, request: String, answer: String
  ) -> String {
    #"""
    "\#(path)": {"post": {
      "operationId": "\#(id)", "summary": "\#(summary)",
      "requestBody": {"required": true, "content": {"application/json": {
        "schema": {"$ref": "#/components/schemas/\#(request)"}}}},
      "responses": {
        "200": {"description": "The answer.", "content": {"application/json": {
          "schema": {"$ref": "#/components/schemas/\#(answer)"}}}},
        "4XX": {"$ref": "#/components/responses/Refused"}
      }
    }}
    """#
  }

  private static func getting(
    _ path: String, _ id: String, _ summary: String, answer: String
  ) -> String {
    #"""
    "\#(path)": {"get": {
      "operationId": "\#(id)", "summary": "\#(summary)",
      "responses": {
        "200": {"description": "The answer.", "content": {"application/json": {
          "schema": {"$ref": "#/components/schemas/\#(answer)"}}}},
        "4XX": {"$ref": "#/components/responses/Refused"}
      }
    }}
    """#
  }
}
