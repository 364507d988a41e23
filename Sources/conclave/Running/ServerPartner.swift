import AsyncHTTPClient
import Dispatch
import Foundation
import Glibc
import Inference
import ModelFiles
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Synchronization
import Tokenization

/// A server with the OpenAI-compatible API, ours or another.
final class ServerPartner: ChatPartner {
  private let address: ServerAddress
  private let arguments: SamplingArguments
  private let client: HTTPClient

  /// Connects with the first answer.
  init(_ address: ServerAddress, arguments: SamplingArguments) throws {
    self.address = address
    self.arguments = arguments
    client = try address.makeClient()
  }

  deinit { client.shutdown { _ in } }

  func answer(
    _ messages: [ChatMessage], _ interrupts: Interrupts
  ) throws -> (text: String, note: String) {
    let parts = PartQueue()
    let request = try request(messages)
    let (client, base) = (client, address.base)
    let task = Task.detached { await ServerPartner.run(request, client, base, parts) }
    defer { task.cancel() }
    var answer = ReceivedAnswer()
    while let part = try parts.next() {
      if interrupts.isInterrupted { break }
      try answer.take(part)
    }
    try Output.line()
    return (answer.text, answer.note)
  }

  private func request(_ messages: [ChatMessage]) throws -> HTTPClientRequest {
    var request = HTTPClientRequest(url: address.base + "/v1/chat/completions")
    request.method = .POST
    request.headers.add(name: "content-type", value: "application/json")
    if let key = address.key { request.headers.add(name: "authorization", value: "Bearer \(key)") }
    request.body = .bytes(ByteBuffer(string: body(messages).text))
    return request
  }

  private func body(_ messages: [ChatMessage]) -> JSONText {
    let sampling = arguments.parameters(defaultTemperature: Chat.defaultTemperature)
    var members: [(String, JSONText)] = [
      (
        "messages",
        .array(
          messages.map {
            .object([("role", .string($0.role.rawValue)), ("content", .string($0.content))])
          })
      ),
      ("max_tokens", .integer(arguments.maxTokens ?? SamplingArguments.usualMaxTokens)),
      ("temperature", .number(Double(sampling.temperature))), ("stream", .bool(true)),
      ("stream_options", .object([("include_usage", .bool(true))])),
    ]
    // What is as it always is stays out: other servers know fewer fields.
    if sampling.topP != 1 { members.append(("top_p", .number(Double(sampling.topP)))) }
    if sampling.topK != 0 { members.append(("top_k", .integer(sampling.topK))) }
    if sampling.minP != 0 { members.append(("min_p", .number(Double(sampling.minP)))) }
    if let seed = sampling.seed { members.append(("seed", .integer(Int(bitPattern: UInt(seed))))) }
    if !arguments.stop.isEmpty {
      members.append(("stop", .array(arguments.stop.map { .string($0) })))
    }
    return .object(members)
  }

  private static func run(
    _ request: HTTPClientRequest, _ client: HTTPClient, _ base: String, _ parts: PartQueue
  ) async {
    do {
      try await receive(request, client, from: base, into: parts)
      parts.finish(nil)
    } catch {
      parts.finish(error)
    }
  }

  /// Receives the parts of an answer.
  private static func receive(
    _ request: HTTPClientRequest, _ client: HTTPClient, from base: String,
    into parts: PartQueue
  ) async throws {
    let response: HTTPClientResponse
    do {
      response = try await client.execute(request, timeout: .hours(24))
    } catch {
      throw ServerAddress.unreachable(base, error)
    }
    guard response.status == .ok else {
      let body = try await response.body.collect(upTo: 1 << 20)
      throw CommandFailure("\(base): \(ServerAddress.message(body, response.status.code))")
    }
    var lines = LineSplitter()
    for try await chunk in response.body {
      for line in lines.take(chunk.readableBytesView) where line.hasPrefix("data:") {
        let data = line.dropFirst(5).trimmingCharacters(in: .whitespaces)
        if data == "[DONE]" { return }
        let part = try JSONValue(parsing: Array(data.utf8))
        if let problem = part.object?["error"]?.object?["message"]?.string {
          throw CommandFailure("\(base): \(problem)")
        }
        parts.append(part)
      }
    }
    throw CommandFailure("\(base): the connection ended before the answer did")
  }

}

extension ServerAddress {
  /// A client that trusts whom the address says.
  func makeClient() throws -> HTTPClient {
    var configuration = HTTPClient.Configuration.singletonConfiguration
    configuration.redirectConfiguration = .disallow  // a key is for one server only
    configuration.timeout.connect = .seconds(10)
    // A person waits: who is not there shall be said at once, and not tried again until then.
    configuration.connectionPool.retryConnectionEstablishment = false
    if let authority {
      guard FileManager.default.isReadableFile(atPath: authority) else {
        throw CommandFailure("\(authority): the certificates cannot be read")
      }
      var tls = TLSConfiguration.makeClientConfiguration()
      tls.trustRoots = .file(authority)
      configuration.tlsConfiguration = tls
    }
    return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
  }

  /// The failure of a connection, in the system's words where it has some.
  static func unreachable(_ base: String, _ error: any Error) -> CommandFailure {
    // The library tells such failures apart by text alone.
    let text = "\(error)"
    if text.contains("CERTIFICATE_VERIFY_FAILED") {
      return CommandFailure(
        "\(base) has a certificate that is not trusted here; give --tls-authority FILE with it or"
          + " its issuer's, if it is the right one")
    }
    if text.contains("WRONG_VERSION_NUMBER") {
      return CommandFailure("\(base) does not answer by TLS; does it begin with http://?")
    }
    // By a name there is a failure for each of its addresses.
    let connection = error as? NIOConnectionError
    let cause = connection?.connectionErrors.first?.error ?? error
    let reason =
      if let cause = cause as? IOError {
        unsafe String(cString: strerror(cause.errnoCode))
      } else if connection?.connectionErrors.isEmpty == true { "its name has no address" } else {
        text
      }
    return CommandFailure("\(base) cannot be reached, check --server: \(reason)")
  }

  /// What an error response says.
  static func message(_ body: ByteBuffer, _ status: UInt) -> String {
    let value = try? JSONValue(parsing: Array(body.readableBytesView))
    return value?.object?["error"]?.object?["message"]?.string ?? "status \(status)"
  }
}

/// Cuts a stream of bytes into lines.
struct LineSplitter {
  private var rest: [UInt8] = []

  /// The lines that are complete now, without their ends.
  mutating func take(_ bytes: some Sequence<UInt8>) -> [String] {
    rest += bytes
    var lines: [String] = []
    while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
      var line = rest[..<end]
      if line.last == UInt8(ascii: "\r") { line.removeLast() }
      lines.append(String(decoding: line, as: UTF8.self))
      rest.removeSubrange(...end)
    }
    return lines
  }
}

/// What has come of an answer, shown as it comes.
private struct ReceivedAnswer {
  private(set) var text = ""
  private let start = ContinuousClock.now
  private var firstAt: ContinuousClock.Instant?
  private var usage: (prompt: Int, output: Int)?

  mutating func take(_ part: JSONValue) throws {
    let choice = part.object?["choices"]?.array?.first?.object
    if let piece = choice?["delta"]?.object?["content"]?.string, !piece.isEmpty {
      firstAt = firstAt ?? .now
      let shown = text.isEmpty ? String(piece.drop(while: \.isWhitespace)) : piece
      text += piece
      try Output.write(shown)
    }
    if let usage = part.object?["usage"]?.object,
      let prompt = usage["prompt_tokens"]?.integer,
      let output = usage["completion_tokens"]?.integer
    {
      self.usage = (prompt, output)
    }
  }

  /// How it went, for people.
  var note: String {
    guard let usage, let firstAt else { return "the answer was ended" }
    let seconds = (ContinuousClock.now - firstAt) / .seconds(1)
    let rate = seconds > 0 ? Double(max(usage.output - 1, 0)) / seconds : 0
    return "\(usage.output) tokens, \(Quantity.number(rate)) tokens/s; prompt of \(usage.prompt),"
      + " first token after \(Quantity.time(firstAt - start))"
  }
}

/// Hands parts from the task that receives them to the thread that shows them.
private final class PartQueue: Sendable {
  private struct State {
    var parts: [JSONValue] = []
    var isFinished = false
    var failure: (any Error)?
  }

  private let state = Mutex(State())
  private let signal = DispatchSemaphore(value: 0)

  func append(_ part: JSONValue) {
    state.withLock { $0.parts.append(part) }
    signal.signal()
  }

  func finish(_ failure: (any Error)?) {
    state.withLock { state in
      state.isFinished = true
      state.failure = failure
    }
    signal.signal()
  }

  /// The next part; an interrupted wait gives an empty one, the end nil.
  func next() throws -> JSONValue? {
    _ = signal.wait(timeout: .now() + .milliseconds(100))
    return try state.withLock { state in
      if !state.parts.isEmpty { return state.parts.removeFirst() }
      guard state.isFinished else { return .null }
      if let failure = state.failure { throw failure }
      return nil
    }
  }
}
