import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Logging
import Inference
import NIOCore
import NIOPosix
import Synchronization
import Serving
import Testing

/// The files of the page, from the sources.
private let pageFiles: PageFiles? = {
  let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
  return PageFiles(folder: root.appending(path: "Sources/Serving/Page").path)
}()

/// A server that wants keys.
private func lockedServer(
  _ keys: [APIKey], in folder: TemporaryFolder, logger: Logger = Logger(label: "test")
) throws -> ChatServer {
  try lockedServer(KeyRing(file: folder.keys(keys), logger: logger), logger: logger)
}

/// A server that wants one of these keys.
private func lockedServer(
  _ keys: KeyRing, logger: Logger = Logger(label: "test")
) throws -> ChatServer {
  try configuredServer(logger: logger) { options in
    options.keys = keys
    options.page = pageFiles
  }
}

/// A server on a scripted model, with options of its own.
func configuredServer(
  _ answer: String = "Nice to meet you.", logger: Logger = Logger(label: "test"),
  configure: (inout ChatServer.Options) -> Void = { _ in }
) throws -> ChatServer {
  let model = ScriptedModel(answer: tokens(answer), tokenizer: demoTokenizer, contextLength: 256)
  var options = ChatServer.Options(modelName: "demo")
  options.port = 0
  // A test may wait longer than a client would: all of them share this machine's threads.
  options.connectionLimits.headTimeout = .seconds(300)
  configure(&options)
  return ChatServer(
    engine: try Engine(TextGenerator(model, tokenizer: demoTokenizer)), tokenizer: demoTokenizer,
    options: options, logger: logger)
}

/// Sends a head as it is and returns everything that comes back.
private func rawRequest(port: Int, _ head: String) async throws -> String {
  let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
    .connect(host: "127.0.0.1", port: port) { channel in
      channel.eventLoop.makeCompletedFuture {
        try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
      }
    }
  return try await channel.executeThenClose { inbound, outbound in
    try await outbound.write(ByteBuffer(string: head + "Connection: close\r\n\r\n"))
    var text = ""
    for try await part in inbound { text += String(buffer: part) }
    return text
  }
}

private func field(_ name: String) -> HTTPField.Name { HTTPField.Name(name) ?? .server }
private let requestID = field("x-request-id")
private let limitRequests = field("x-ratelimit-limit-requests")
private let remainingRequests = field("x-ratelimit-remaining-requests")

private func bearer(_ secret: APISecret) -> HTTPFields {
  [.authorization: "Bearer \(secret.text)", .contentType: "application/json"]
}

@Suite(.timeLimit(.minutes(10))) struct AccessTests {
  let folder: TemporaryFolder
  let secret = APISecret.random()

  init() throws { folder = try TemporaryFolder() }

  private func key(_ change: (inout APIKey.Limits) -> Void = { _ in }) throws -> APIKey {
    var key = try APIKey(name: "alice", digest: secret.digest)
    change(&key.limits)
    return key
  }

  @Test func everyRouteButHealthAndThePageNeedsAKey() async throws {
    let server = try lockedServer([key()], in: folder)
    let routes = server.routes
    let page = try #require(pageFiles).paths
    #expect(page.contains("/") && page.count == 8)
    let paths = Set(routes.map(\.path))
    #expect(paths.isSuperset(of: ["/v1/chat/completions", "/metrics", "/cluster", "/health", "/"]))
    let open = try await server.application().test(.router) { client in
      var open: Set<String> = []
      for route in routes {
        let path = route.path.replacing(/\{\w+\}|:\w+/, with: "demo")
        for header in [HTTPFields(), bearer(.random())] {
          let response = try await client.executeRequest(
            uri: path, method: route.method, headers: header, body: nil)
          // The last ones are told that there were too many wrong keys.
          let refusals = [HTTPResponse.Status.unauthorized, .tooManyRequests]
          if !refusals.contains(response.status) { open.insert(path) }
        }
      }
      return open
    }
    #expect(open == Set(page + ["/health"]))
  }

  @Test(arguments: [
    "/nowhere", "//health", "/health/", "/HEALTH", "/page/../v1/models", "/page/%2e%2e/metrics",
    "/health%00", "/%6detrics", "/v1//models", "/page/", "/health?x=/v1/models/../..",
  ])
  func pathsThatLookOpenAreNot(path: String) async throws {
    try await lockedServer([key()], in: folder).application().test(.router) { client in
      let response = try await client.executeRequest(
        uri: path, method: .get, headers: [:], body: nil)
      #expect(response.status == .unauthorized || path.hasPrefix("/health?"))
    }
  }

  @Test func otherMethodsOnOpenPathsNeedAKey() async throws {
    try await lockedServer([key()], in: folder).application().test(.router) { client in
      for method in [HTTPRequest.Method.post, .put, .delete] {
        let response = try await client.executeRequest(
          uri: "/health", method: method, headers: [:], body: nil)
        #expect(response.status == .unauthorized)
      }
    }
  }

  @Test func aMissingAndAWrongKeyGetTheSameAnswer() async throws {
    try await lockedServer([key()], in: folder).application().test(.router) { client in
      var answers: Set<String> = []
      let headers: [HTTPFields] = [
        [:], bearer(.random()), [.authorization: "Bearer"], [.authorization: "Basic eDp5"],
        [.authorization: "Bearer \(secret.text)x"], [.authorization: secret.text],
        [.authorization: "Bearer " + String(repeating: "x", count: 100_00)],
      ]
      for header in headers {
        let response = try await client.executeRequest(
          uri: chat, method: .post, headers: header, body: ByteBuffer(string: hello + "}"))
        #expect(response.status == .unauthorized)
        #expect(response.headers[.wwwAuthenticate] == "Bearer")
        var fields = response.headers
        fields[requestID] = nil
        answers.insert("\(fields)" + String(buffer: response.body))
      }
      #expect(answers.count == 1)
      let right = try await client.executeRequest(
        uri: chat, method: .post, headers: bearer(secret), body: ByteBuffer(string: hello + "}"))
      #expect(right.status == .ok)
    }
  }

  @Test func aFloodOfWrongKeysIsSlowedDownAndARightOnePasses() async throws {
    let server = try lockedServer([key()], in: folder)
    try await server.application().test(.router) { client in
      var statuses: [Int: Int] = [:]
      for _ in 0..<100 {
        let response = try await client.executeRequest(
          uri: "/v1/models", method: .get, headers: bearer(.random()), body: nil)
        statuses[response.status.code, default: 0] += 1
        if response.status == .tooManyRequests { #expect(response.headers[.retryAfter] != nil) }
      }
      #expect(statuses[401] ?? 0 >= FailureLimiter.perMinute)
      // How many depends on how long all of them take.
      #expect(statuses[429] ?? 0 > 0)
      let right = try await client.executeRequest(
        uri: "/v1/models", method: .get, headers: bearer(secret), body: nil)
      #expect(right.status == .ok)
    }
  }

  @Test func limitsAreKeptAndTold() async throws {
    let server = try lockedServer([key { $0.requestsPerMinute = 2 }], in: folder)
    try await server.application().test(.router) { client in
      for left in ["1", "0"] {
        let response = try await client.executeRequest(
          uri: chat, method: .post, headers: bearer(secret), body: ByteBuffer(string: hello + "}"))
        #expect(response.status == .ok)
        #expect(response.headers[limitRequests] == "2")
        #expect(response.headers[remainingRequests] == left)
      }
      let refused = try await client.executeRequest(
        uri: chat, method: .post, headers: bearer(secret), body: ByteBuffer(string: hello + "}"))
      #expect(refused.status == .tooManyRequests)
      let wait = try #require(refused.headers[.retryAfter].flatMap { Int($0) })
      #expect((1...30).contains(wait))
      #expect(String(buffer: refused.body).contains("rate_limit_exceeded"))
      #expect(String(buffer: refused.body).contains(#""type":"requests""#))
      // Looking at the server is not limited.
      let models = try await client.executeRequest(
        uri: "/v1/models", method: .get, headers: bearer(secret), body: nil)
      #expect(models.status == .ok)
    }
  }

  @Test func aStreamThatIsContinuedCostsOneRequest() async throws {
    let keys = try KeyRing(file: folder.keys([key()]), logger: Logger(label: "test"))
    let server = try lockedServer(keys)
    try await server.application().test(.router) { client in
      var headers = bearer(secret)
      let body = hello + #","stream":true}"#
      let all = try await sentEvents(chat, body, headers: headers, to: client)
      headers[field("last-event-id")] = try #require(all.first?.id)
      _ = try await sentEvents(chat, body, headers: headers, to: client)
      #expect(keys.accounts.first?.usage.requests == 2)
    }
  }

  @Test func tokensOfPromptAndAnswerAreCharged() async throws {
    let keys = try KeyRing(
      file: folder.keys([key { $0.tokensPerDay = 1 }]), logger: Logger(label: "test"))
    let server = try lockedServer(keys)
    try await server.application().test(.router) { client in
      let body = ByteBuffer(string: hello + "}")
      let first = try await client.executeRequest(
        uri: chat, method: .post, headers: bearer(secret), body: body)
      #expect(first.status == .ok)
      let second = try await client.executeRequest(
        uri: chat, method: .post, headers: bearer(secret), body: body)
      #expect(second.status == .tooManyRequests)
      #expect(String(buffer: second.body).contains("tokens-per-day"))
      let usage = try #require(keys.accounts.first?.usage)
      #expect(usage.outputTokens == tokens("Nice to meet you.").count)
      #expect(usage.promptTokens > 0)
    }
  }

  @Test func aKeyIsNeverLogged() async throws {
    let log = RecordedLog()
    let wrong = APISecret.random()
    let keys = try KeyRing(file: folder.keys([key()]), logger: log.logger)
    let server = try lockedServer(keys, logger: log.logger)
    try await server.application().test(.router) { client in
      for secret in [secret, wrong] {
        _ = try await client.executeRequest(
          uri: chat + "?q=\(wrong.text)", method: .post, headers: bearer(secret),
          body: ByteBuffer(string: hello + "}"))
      }
    }
    keys.reload()
    #expect(log.text.contains("alice"))
    #expect(log.text.contains("401"))
    for text in [secret.text, wrong.text, "Hello", "Nice to meet you"] {
      #expect(!log.text.contains(text), "\(log.text)")
    }
  }

  @Test func aPageOfAnotherSiteIsRefused() async throws {
    let server = try configuredServer { $0.hostNames = ["localhost"] }
    try await server.application().test(.router) { client in
      for (site, status) in [("cross-site", 403), ("same-origin", 200), ("none", 200)] {
        let response = try await client.executeRequest(
          uri: chat, method: .post, headers: [field("sec-fetch-site"): site],
          body: ByteBuffer(string: hello + "}"))
        #expect(response.status.code == status)
      }
    }
  }

  @Test(arguments: [["https://chat.example"], ["*"], []])
  func pagesOfAllowedSitesMayAsk(origins: [String]) async throws {
    let server = try configuredServer {
      $0.hostNames = ["localhost"]
      $0.allowedOrigins = Set(origins)
    }
    try await server.application().test(.router) { client in
      for origin in ["https://chat.example", "https://other.example"] {
        let isAllowed = origins.contains("*") || origins.contains(origin)
        var headers: HTTPFields = [field("sec-fetch-site"): "cross-site", field("origin"): origin]
        // An error can be read by the page, too.
        for body in [hello + "}", "{"] {
          let response = try await client.executeRequest(
            uri: chat, method: .post, headers: headers, body: ByteBuffer(string: body))
          #expect(response.status.code == (!isAllowed ? 403 : body == "{" ? 400 : 200))
          #expect(
            response.headers[field("access-control-allow-origin")] == (isAllowed ? origin : nil))
        }
        headers[field("access-control-request-method")] = "POST"
        headers[field("access-control-request-headers")] = "authorization,content-type"
        let asked = try await client.executeRequest(
          uri: chat, method: .options, headers: headers, body: nil)
        #expect((asked.status == .noContent) == isAllowed)
        let allowed = asked.headers[field("access-control-allow-headers")]
        #expect(allowed == (isAllowed ? "authorization,content-type" : nil))
      }
    }
  }

  @Test func aForeignNameIsRefused() async throws {
    let server = try configuredServer { $0.hostNames = ["localhost", "127.0.0.1", "[::1]"] }
    try await server.application().test(.live) { client in
      let port = try #require(client.port)
      for (host, status) in [
        ("localhost", 200), ("LOCALHOST:\(port)", 200), ("127.0.0.1:\(port)", 200),
        ("[::1]:\(port)", 200), ("evil.example", 421), ("evil.example:\(port)", 421),
        ("localhost.evil.example", 421), ("127.0.0.1.evil.example:80", 421), ("", 421),
      ] {
        let answer = try await rawRequest(port: port, "GET /health HTTP/1.1\r\nHost: \(host)\r\n")
        #expect(answer.hasPrefix("HTTP/1.1 \(status) "), "\(host): \(answer)")
      }
    }
  }
}

@Suite(.timeLimit(.minutes(10))) struct RequestIDTests {
  @Test func everyResponseHasAnIdentifier() async throws {
    let log = RecordedLog()
    try await configuredServer(logger: log.logger).application().test(.router) { client in
      for (path, id) in [
        ("/health", nil), ("/nowhere", nil), ("/v1/models", "my-id.7"), ("/v1/models", "a b"),
        ("/v1/models", String(repeating: "x", count: 81)),
      ] {
        var headers: HTTPFields = [:]
        if let id { headers[requestID] = id }
        let response = try await client.executeRequest(
          uri: path, method: .get, headers: headers, body: nil)
        let given = try #require(response.headers[requestID])
        if id == "my-id.7" {
          #expect(given == id)
        } else {
          #expect(given.wholeMatch(of: /req-[0-9a-f]{32}/) != nil, "\(given)")
        }
        if path != "/health" { #expect(log.text.contains("request.id=\(given)")) }
      }
    }
  }

  @Test func aRefusalIsLoggedWithItsFieldAndWithoutItsText() async throws {
    let log = RecordedLog()
    try await configuredServer(logger: log.logger).application().test(.router) { client in
      for (fields, facts) in [
        (#","temperature":-7.25}"#, ["error=invalid_request_error", "field=temperature"]),
        (#","tool_choice":"secret"}"#, ["field=tool_choice"]), ("", ["error=invalid_json"]),
      ] {
        let count = log.text.count
        let response = try await client.executeRequest(
          uri: chat, method: .post, headers: [:], body: ByteBuffer(string: hello + fields))
        #expect(response.status == .badRequest)
        let lines = log.text.dropFirst(count).split(separator: "\n")
        let line = lines.last { $0.contains("method=") }
        for fact in facts { #expect(line?.contains(fact) == true, "\(line ?? "")") }
        #expect(line?.contains("7.25") == false && line?.contains("secret") == false)
      }
    }
  }

  @Test func aStreamIsLoggedWhenItIsOver() async throws {
    let log = RecordedLog()
    let server = try configuredServer(logger: log.logger)
    try await server.application().test(.router) { client in
      _ = try await events(chat, hello + #","stream":true}"#, to: client)
      #expect(log.text.contains("route=/v1/chat/completions"))
    }
    #expect(server.openRequestCount == 0)
  }
}

/// A logger that keeps what it is told.
final class RecordedLog: Sendable {
  private let lines = Mutex<[String]>([])

  var text: String { lines.withLock { $0.joined(separator: "\n") } }

  var logger: Logger {
    Logger(label: "test") { _ in Handler(log: self) }
  }

  private struct Handler: LogHandler {
    let log: RecordedLog
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.trace

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
      let facts = metadata.merging(event.metadata ?? [:]) { $1 }.map { "\($0.key)=\($0.value)" }
      log.lines.withLock { $0.append("\(event.message) \(facts.sorted().joined(separator: " "))") }
    }
  }
}
