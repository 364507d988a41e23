import HTTPTypes
import Hummingbird
import Synchronization

/// Lets in who has a key, within the limits of that key.
struct KeyMiddleware: RouterMiddleware {
  /// What needs no key: liveness, and the files of the page, which are the same for everybody.
  let openPaths: Set<String>
  let keys: KeyRing
  let figures: ServerFigures
  private let failures = FailureCounter()

  func handle(
    _ request: Request, context: ServingContext,
    next: (Request, ServingContext) async throws -> Response
  ) async throws -> Response {
    if [.get, .head].contains(request.method), openPaths.contains(request.uri.path) {
      return try await next(request, context)
    }
    guard let account = bearer(request).flatMap({ keys.account(of: $0) }) else {
      return refusal(of: context)
    }
    context.caller.recognise(account)
    // Looking costs nothing; only what the engine computes is counted.
    guard request.method == .post else { return try await next(request, context) }
    let time = ServerTime.now
    if let refusal = account.admit(at: time) { throw refusal.error }
    var response = try await next(request, context)
    account.remaining(at: time).write(to: &response.headers)
    return response
  }

  private func bearer(_ request: Request) -> APISecret? {
    guard let header = request.headers[.authorization] else { return nil }
    let words = header.split(separator: " ", maxSplits: 1)
    guard words.count == 2, words[0].lowercased() == "bearer", words[1].utf8.count <= 256 else {
      return nil
    }
    return APISecret(String(words[1]))
  }

  /// The same whether a key was missing or wrong.
  private func refusal(of context: ServingContext) -> Response {
    figures.countKeyFailure()
    let wait = failures.fail(context.client.address, at: ServerTime.now)
    if wait > .zero {
      return APIError.unavailable(
        "too many requests without a valid API key", status: .tooManyRequests,
        code: "too_many_failures", retryAfterSeconds: wait.roundedUpSeconds
      ).response
    }
    var response = APIError.invalid(
      "a valid API key is needed; send it as `Authorization: Bearer KEY`",
      code: "invalid_api_key", status: .unauthorized
    ).response
    response.headers[.wwwAuthenticate] = "Bearer"
    return response
  }

  /// The limiter, for many requests at once.
  private final class FailureCounter: Sendable {
    private let limiter = Mutex(FailureLimiter())

    func fail(_ address: String, at time: Duration) -> Duration {
      limiter.withLock { $0.fail(address, at: time) }
    }
  }
}

extension Account.Refusal {
  /// What the client is told.
  var error: APIError {
    .unavailable(
      "the limit \(limit) of this API key is used up; wait \(wait.roundedUpSeconds) s",
      status: .tooManyRequests, type: limit.hasPrefix("requests") ? "requests" : "tokens",
      code: "rate_limit_exceeded",
      retryAfterSeconds: wait.roundedUpSeconds)
  }
}

extension Account.Remaining {
  /// The headers that OpenAI's clients know.
  func write(to headers: inout HTTPFields) {
    if let requests {
      headers[.limitRequests] = "\(requests.limit)"
      headers[.remainingRequests] = "\(requests.left)"
    }
    if let tokens {
      headers[.limitTokens] = "\(tokens.limit)"
      headers[.remainingTokens] = "\(tokens.left)"
    }
  }
}

extension HTTPField.Name {
  fileprivate static let limitRequests = named("x-ratelimit-limit-requests")
  fileprivate static let remainingRequests = named("x-ratelimit-remaining-requests")
  fileprivate static let limitTokens = named("x-ratelimit-limit-tokens")
  fileprivate static let remainingTokens = named("x-ratelimit-remaining-tokens")

  /// A name that is known to be well-formed.
  static func named(_ name: String) -> HTTPField.Name {
    guard let field = HTTPField.Name(name) else { preconditionFailure("\(name) is no header") }
    return field
  }
}

extension Duration {
  /// Whole seconds, at least one, for `Retry-After`.
  var roundedUpSeconds: Int { max(1, Int((self / .seconds(1)).rounded(.up))) }
}
