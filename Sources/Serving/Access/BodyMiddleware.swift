import HTTPTypes
import Hummingbird

/// Looks at what a request's head says of its body, before any of it is read.
///
/// A client that asks first (`Expect: 100-continue`; curl does so above a mebibyte) is told to go on,
/// or why it need not send anything: it would wait for a second otherwise.
///
/// - Source: RFC 9110, sections 8.4 and 10.1.1.
struct BodyMiddleware: RouterMiddleware {
  let maximumByteCount: Int

  func handle(
    _ request: Request, context: ServingContext,
    next: (Request, ServingContext) async throws -> Response
  ) async throws -> Response {
    if let coding = request.headers[.contentEncoding], coding.lowercased() != "identity" {
      throw APIError.invalid(
        "the request body is encoded as \(coding.prefix(40)); send it as it is",
        param: "content-encoding", code: "unsupported_encoding", status: .unsupportedMediaType)
    }
    if let length = request.headers[.contentLength].flatMap(Int.init), length > maximumByteCount {
      throw APIError.tooLong(maximumByteCount)
    }
    if let expectation = request.headers[.expect] {
      guard expectation.lowercased() == "100-continue" else {
        throw APIError.invalid(
          "nothing is known of the expectation \(expectation.prefix(40))", param: "expect",
          status: .expectationFailed)
      }
      context.client.continueRequest()
    }
    return try await next(request, context)
  }
}
