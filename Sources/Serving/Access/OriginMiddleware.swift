import HTTPTypes
import Hummingbird

/// Lets pages of some other sites ask this server, as browsers want to be told (CORS).
///
/// - Source: <https://fetch.spec.whatwg.org/#http-cors-protocol>
struct OriginMiddleware: RouterMiddleware {
  /// What the pages' `Origin` may be; `*` is any.
  let origins: Set<String>

  func handle(
    _ request: Request, context: ServingContext,
    next: (Request, ServingContext) async throws -> Response
  ) async throws -> Response {
    guard let origin = request.headers[.origin], Self.allows(origin, in: origins) else {
      return try await next(request, context)
    }
    var response =
      request.method == .options && request.headers[.requestMethod] != nil
      ? permission(for: request) : try await next(request, context)
    response.headers[.allowOrigin] = origin
    response.headers[.exposeHeaders] = "x-request-id, x-stream-id, retry-after"
    response.headers[.vary] = "origin"
    return response
  }

  static func allows(_ origin: String, in origins: Set<String>) -> Bool {
    origins.contains(origin.lowercased()) || origins.contains("*")
  }

  /// The answer to a browser that asks before it sends the request itself, without a key.
  private func permission(for request: Request) -> Response {
    var headers: HTTPFields = [.allowMethods: "GET, HEAD, POST", .maxAge: "600"]
    if let wanted = request.headers[.requestHeaders], wanted.utf8.count <= 4096 {
      headers[.allowHeaders] = wanted
    }
    return Response(status: .noContent, headers: headers)
  }
}

extension HTTPField.Name {
  fileprivate static let requestMethod = named("access-control-request-method")
  fileprivate static let requestHeaders = named("access-control-request-headers")
  fileprivate static let allowOrigin = named("access-control-allow-origin")
  fileprivate static let allowMethods = named("access-control-allow-methods")
  fileprivate static let allowHeaders = named("access-control-allow-headers")
  fileprivate static let exposeHeaders = named("access-control-expose-headers")
  fileprivate static let maxAge = named("access-control-max-age")
}
