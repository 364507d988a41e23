import Foundation
import Hummingbird
import HummingbirdTesting
import Inference
import Logging
import Serving
import Testing
import Tokenization

/// A server on a model that always answers the same, with the demo model's tokenizer.
func server(
  _ answer: String = "Nice to meet you.", contextLength: Int = 256,
  maximumBodyBytes: Int = 4 << 20, log: ScriptedModel.Log = ScriptedModel.Log(),
  beforeStep: @escaping @Sendable (Int) throws -> Void = { _ in }
) throws -> ChatServer {
  let model = ScriptedModel(
    answer: tokens(answer), tokenizer: demoTokenizer, contextLength: contextLength, log: log,
    beforeStep: beforeStep)
  var options = ChatServer.Options(modelName: "demo")
  options.port = 0
  options.fingerprint = "fp-1"
  options.maximumBodyBytes = maximumBodyBytes
  return ChatServer(
    engine: try Engine(TextGenerator(model, tokenizer: demoTokenizer)), tokenizer: demoTokenizer,
    options: options, logger: Logger(label: "test"))
}

/// Sends a JSON text and returns the status and the parsed body.
func post(
  _ path: String, _ body: String, to client: any TestClientProtocol
) async throws -> (status: Int, body: [String: Any]) {
  let response = try await client.executeRequest(
    uri: path, method: .post, headers: [.contentType: "application/json"],
    body: ByteBuffer(string: body))
  let object = try JSONSerialization.jsonObject(with: Data(response.body.readableBytesView))
  return (response.status.code, object as? [String: Any] ?? [:])
}

/// The data of the events of a stream.
func events(
  _ path: String, _ body: String, to client: any TestClientProtocol
) async throws -> [String] {
  let response = try await client.executeRequest(
    uri: path, method: .post, headers: [.contentType: "application/json"],
    body: ByteBuffer(string: body))
  #expect(response.status == .ok)
  #expect(response.headers[.contentType] == "text/event-stream; charset=utf-8")
  let text = String(buffer: response.body)
  #expect(text.hasSuffix("\n\n"))
  return text.components(separatedBy: "\n\n").dropLast().map { event in
    #expect(event.hasPrefix("data: ") && !event.contains("\n"))
    return String(event.dropFirst(6))
  }
}

func parse(_ text: String) throws -> [String: Any] {
  try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any] ?? [:]
}

func choice(_ body: [String: Any]) -> [String: Any] {
  (body["choices"] as? [[String: Any]])?.first ?? [:]
}

let chat = "/v1/chat/completions"
let hello = #"{"model":"demo","messages":[{"role":"user","content":"Hello"}]"#
