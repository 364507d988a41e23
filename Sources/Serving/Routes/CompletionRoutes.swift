import Hummingbird

/// `POST /v1/completions`.
struct CompletionRoutes: RouteFamily {
  static let path = "/v1/completions"
  let server: ChatServer

  func add(to router: Router<ServingContext>) {
    router.post(RouterPath(Self.path)) { request, context in
      try await server.answer(request, path: Self.path, context)
    }
  }
}
