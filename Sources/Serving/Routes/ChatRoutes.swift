import Hummingbird

/// `POST /v1/chat/completions`.
struct ChatRoutes: RouteFamily {
  static let path = "/v1/chat/completions"
  let server: ChatServer

  func add(to router: Router<ServingContext>) {
    router.post(RouterPath(Self.path)) { request, context in
      try await server.answer(request, path: Self.path, context)
    }
  }
}
