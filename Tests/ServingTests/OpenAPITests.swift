import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Serving
import Testing
import Tokenization

@Suite(.timeLimit(.minutes(10))) struct OpenAPITests {
  private func document() async throws -> [String: Any] {
    try await server().application().test(.router) { client in
      let response = try await client.executeRequest(
        uri: "/openapi.json", method: .get, headers: [:], body: nil)
      #expect(response.status == .ok)
      return Box(try parse(String(buffer: response.body)))
    }.value
  }

  private struct Box: @unchecked Sendable {  // never changed
    let value: [String: Any]
    init(_ value: [String: Any]) { self.value = value }
  }

  private func schemas(_ document: [String: Any]) -> [String: Any] {
    (document["components"] as? [String: Any])?["schemas"] as? [String: Any] ?? [:]
  }

  @Test func everyReferenceLeadsSomewhere() async throws {
    let document = try await document()
    #expect(document["openapi"] as? String == "3.1.0")
    var references: Set<String> = []
    func collect(_ value: Any) {
      if let object = value as? [String: Any] {
        if let reference = object["$ref"] as? String { references.insert(reference) }
        object.values.forEach(collect)
      } else if let array = value as? [Any] {
        array.forEach(collect)
      }
    }
    collect(document)
    #expect(references.count > 20)
    for reference in references {
      let steps = reference.split(separator: "/").dropFirst().map(String.init)
      let target = steps.reduce(document as Any?) { ($0 as? [String: Any])?[$1] }
      #expect(target != nil, "\(reference)")
    }
  }

  /// The fields in the document are those that are read, no more and no fewer.
  @Test(arguments: [
    ("ChatRequest", chat), ("CompletionRequest", "/v1/completions"),
    ("ResponseRequest", "/v1/responses"), ("TokenizeRequest", "/tokenize"),
    ("DetokenizeRequest", "/detokenize"),
  ])
  func fieldsAreThoseThatAreRead(name: String, path: String) async throws {
    let schema = schemas(try await document())[name] as? [String: Any]
    let fields = Set((schema?["properties"] as? [String: Any] ?? [:]).keys)
    #expect(fields.count > 1)
    try await server().application().test(.router) { client in
      // Every field there is in any of them; each has to be known exactly where it is described.
      let others = [
        "messages", "prompt", "input", "n", "max_tokens", "max_output_tokens", "tools", "text",
        "suffix", "echo", "seed", "logprobs", "top_logprobs", "best_of", "response_format",
        "include", "thinking", "content", "tokens", "with_pieces", "nonsense",
      ]
      for field in fields.union(others) {
        let base =
          switch name {
          case "ChatRequest": hello.dropFirst()
          case "CompletionRequest": #""prompt":"x""#[...]
          case "ResponseRequest": #""input":"x""#[...]
          case "TokenizeRequest": #""content":"x""#[...]
          default: #""tokens":[1]"#[...]
          }
        guard !base.contains("\"\(field)\":") else { continue }
        // A value of a type that no field has is refused either as that or as unknown.
        let (_, body) = try await post(
          path, "{\(base),\"\(field)\":[[[{\"x\":1}]]]}", to: client)
        let code = (body["error"] as? [String: Any])?["code"] as? String
        let isUnknown = ["unknown_parameter", "unsupported_parameter"].contains(code)
        #expect(isUnknown == !fields.contains(field), "\(field): \(body)")
      }
    }
  }

  @Test func everyPathIsThere() async throws {
    let described = try await document()["paths"] as? [String: Any] ?? [:]
    let paths = described.mapValues { ($0 as? [String: Any] ?? [:]).keys.sorted() }
    #expect(paths.count == 11)
    try await server().application().test(.router) { client in
      for (path, methods) in paths {
        let path = path.replacing("{model}", with: "demo").replacing("{id}", with: "x")
        for method in methods {
          let response = try await client.executeRequest(
            uri: path, method: HTTPRequest.Method(method.uppercased())!, headers: [:], body: nil)
          let body = try? parse(String(buffer: response.body))
          let code = (body?["error"] as? [String: Any])?["code"] as? String
          #expect(response.status.code < 500)
          #expect(response.status.code != 405)
          #expect(
            response.status.code != 404
              || (body?["error"] as? [String: Any])?["param"] as? String == "id",
            "\(path): \(code ?? "")")
        }
        // Other methods are told what is possible.
        let response = try await client.executeRequest(
          uri: path, method: .delete, headers: [:], body: nil)
        #expect(response.status.code == 405)
        #expect(response.headers[.allow]?.isEmpty == false)
      }
    }
  }
}
