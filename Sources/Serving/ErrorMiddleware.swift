import Hummingbird
import Logging

/// Turns whatever a route throws into an `APIError` response.
struct ErrorMiddleware: RouterMiddleware {
  func handle(
    _ request: Request, context: ServingContext,
    next: (Request, ServingContext) async throws -> Response
  ) async throws -> Response {
    do {
      return try await next(request, context)
    } catch {
      let isUnknown = (error as? HTTPError)?.status == .notFound
      let refusal = isUnknown ? APIError.nothing(at: request.uri.path) : APIError(any: error)
      context.caller.note(refusal)
      context.logger.debug(
        "Request refused",
        metadata: ["status": "\(refusal.status.code)", "error": "\(error)"])
      return refusal.response
    }
  }
}
