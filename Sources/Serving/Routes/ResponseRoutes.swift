import Hummingbird

/// `POST /v1/responses`.
struct ResponseRoutes: RouteFamily {
  static let path = "/v1/responses"
  let server: ChatServer

  func add(to router: Router<ServingContext>) {
    router.post(RouterPath(Self.path)) { request, context in
      try await server.answer(request, path: Self.path, context)
    }
  }
}
