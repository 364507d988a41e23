import Foundation
import HTTPTypes
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
  maximumBodyBytes: Int = 4 << 20, tokenizer: Tokenizer = demoTokenizer,
  format: ChatFormat? = nil, log: ScriptedModel.Log = ScriptedModel.Log(),
  beforeStep: @escaping @Sendable (Int) throws -> Void = { _ in },
  change: (inout ChatServer.Options) -> Void = { _ in }
) throws -> ChatServer {
  let model = ScriptedModel(
    answer: tokenizer.encode(answer, specials: true, addBOS: false), tokenizer: tokenizer,
    contextLength: contextLength, log: log,
    beforeStep: beforeStep)
  var options = ChatServer.Options(modelName: "demo")
  options.port = 0
  options.fingerprint = "fp-1"
  options.maximumBodyBytes = maximumBodyBytes
  options.chatFormat = format
  // Tests run beside each other, and a client may have to wait for a processor.
  options.connectionLimits.headTimeout = .seconds(120)
  options.connectionLimits.bodyTimeout = .seconds(120)
  options.connectionLimits.idleTimeout = .seconds(120)
  change(&options)
  return ChatServer(
    engine: try Engine(TextGenerator(model, tokenizer: tokenizer)), tokenizer: tokenizer,
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

/// One event of a stream.
struct SentEvent: Equatable {
  var name: String?
  var id: String?
  var data = ""
}

/// The data of the events of a stream.
func events(
  _ path: String, _ body: String, to client: any TestClientProtocol
) async throws -> [String] {
  try await sentEvents(path, body, to: client).map(\.data)
}

/// The events of a stream; without a body they are asked for by GET.
func sentEvents(
  _ path: String, _ body: String?, headers: HTTPFields = [:], to client: any TestClientProtocol
) async throws -> [SentEvent] {
  let response = try await client.executeRequest(
    uri: path, method: body == nil ? .get : .post, headers: headers,
    body: body.map(ByteBuffer.init(string:)))
  #expect(response.status == .ok, "\(String(buffer: response.body))")
  #expect(response.headers[.contentType] == "text/event-stream; charset=utf-8")
  let text = String(buffer: response.body)
  #expect(text.hasSuffix("\n\n"))
  // A comment stands for silence.
  return text.components(separatedBy: "\n\n").dropLast().filter { $0 != ":" }.map { lines in
    var event = SentEvent()
    for line in lines.components(separatedBy: "\n") {
      let parts = line.split(separator: ":", maxSplits: 1).map(String.init)
      let value = String(parts.last?.dropFirst() ?? "")
      switch parts.first {
      case "event": event.name = value
      case "id": event.id = value
      case "data": event.data = value
      default: Issue.record("not a line of an event: \(line)")
      }
    }
    return event
  }
}

/// The ids of events in what has come of a stream.
func ids(in text: String) -> [String] {
  // Headers have ids, too: those of requests.
  text.components(separatedBy: "id: chatcmpl-").dropFirst().compactMap { rest in
    rest.split(whereSeparator: \.isNewline).first.map { "chatcmpl-" + $0 }
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
