import Hummingbird

/// Refuses requests whose path and query are longer than any that the server has a route for.
struct TargetMiddleware: RouterMiddleware {
  let maximumByteCount: Int

  func handle(
    _ request: Request, context: ServingContext,
    next: (Request, ServingContext) async throws -> Response
  ) async throws -> Response {
    guard request.uri.string.utf8.count <= maximumByteCount else {
      throw APIError.invalid(
        "path and query have more than \(maximumByteCount) bytes", code: "uri_too_long",
        status: .uriTooLong)
    }
    return try await next(request, context)
  }
}
