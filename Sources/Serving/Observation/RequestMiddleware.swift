import Foundation
import HTTPTypes
import Hummingbird
import Inference
import Logging
import Synchronization

/// Gives every request an identifier and a line in the log, and counts it.
///
/// The line says who asked which route and how it went: never what was asked or answered.
struct RequestMiddleware: RouterMiddleware {
  let figures: ServerFigures
  let logger: Logger

  func handle(
    _ request: Request, context: ServingContext,
    next: (Request, ServingContext) async throws -> Response
  ) async throws -> Response {
    var context = context
    let id = request.headers[.requestID].flatMap(Self.usable) ?? Self.newID()
    context.caller.name(id)
    context.logger = logger
    context.logger[metadataKey: "request.id"] = "\(id)"
    let start = ServerTime.now
    figures.begin()
    var response: Response
    do {
      response = try await next(request, context)
    } catch {
      // Errors are responses by now; what still comes is a connection that has broken.
      end(request, context, status: 499, since: start)
      throw error
    }
    if let own = response.headers[.requestID] {
      context.logger[metadataKey: "request.id"] = "\(own)"  // a stream that can be continued by it
    } else {
      response.headers[.requestID] = id
    }
    let status = response.status.code
    guard response.body.contentLength == nil else {
      end(request, context, status: status, since: start)
      return response
    }
    let body = response.body
    let head = context
    response.body = ResponseBody { writer in
      defer { end(request, head, status: status, since: start) }
      try await body.write(writer)
    }
    return response
  }

  private func end(
    _ request: Request, _ context: ServingContext, status: Int, since start: Duration
  ) {
    let route = context.endpointPath ?? "none"
    let method = Self.knownMethods.contains(request.method) ? request.method.rawValue : "other"
    figures.end(.init(method: method, route: route, status: status))
    var facts: Logger.Metadata = [
      "method": "\(method)", "route": "\(route)", "status": "\(status)",
      "seconds": "\(((ServerTime.now - start) / .seconds(1) * 1e4).rounded() / 1e4)",
    ]
    if let account = context.caller.account { facts["key"] = "\(account.name)" }
    // Not the message, which may quote what was asked.
    if let refusal = context.caller.refusal {
      facts["error"] = "\(refusal.code ?? refusal.type)"
      if let field = refusal.param.flatMap(Self.usable) { facts["field"] = "\(field)" }
    }
    // Who looks at the server's health once a second shall not fill the log.
    let level: Logger.Level = Self.quietRoutes.contains(route) && status < 400 ? .debug : .info
    context.logger.log(level: level, "Request", metadata: facts)
  }

  private static let knownMethods: Set<HTTPRequest.Method> = [
    .get, .head, .post, .put, .delete, .options, .patch,
  ]
  private static let quietRoutes: Set<String> = ["/health", "/ready", "/metrics", "/cluster"]

  /// A name that a client chose, as long as it is harmless in a log.
  static func usable(_ text: String) -> String? {
    let isHarmless = text.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"),
        UInt8(ascii: "."), UInt8(ascii: "["), UInt8(ascii: "]"):
        true
      default: false
      }
    }
    return isHarmless && (1...80).contains(text.utf8.count) ? text : nil
  }

  private static func newID() -> String {
    "req-" + UUID().uuidString.filter { $0 != "-" }.lowercased()
  }
}

/// Who asks, as it becomes known on the way through the middleware.
final class Caller: Sendable {
  private struct State {
    var id = ""
    var account: Account?
    var refusal: APIError?
  }

  private let state = Mutex(State())

  /// The request's identifier, as in the response's `x-request-id`.
  var requestID: String { state.withLock { $0.id } }
  /// Whose key the request came with; nil where no keys are needed.
  var account: Account? { state.withLock { $0.account } }
  /// Why the request was not answered.
  var refusal: APIError? { state.withLock { $0.refusal } }

  func name(_ id: String) { state.withLock { $0.id = id } }
  func recognise(_ account: Account) { state.withLock { $0.account = account } }
  func note(_ refusal: APIError) { state.withLock { $0.refusal = refusal } }
}

extension GenerationRequest {
  /// Tells the engine whose request it is: owners take turns, and their prefixes stay apart.
  mutating func belong(to caller: Caller) {
    guard let account = caller.account else { return }
    tenant = account.name
    priority =
      switch account.priority {
      case .low: .low
      case .normal: .normal
      case .high: .high
      }
  }
}

extension HTTPField.Name {
  static let requestID = named("x-request-id")
}
