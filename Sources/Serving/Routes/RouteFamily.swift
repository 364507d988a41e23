import HTTPTypes
import Hummingbird

/// Routes that belong together, in a file of their own.
protocol RouteFamily: Sendable {
  /// Adds the routes.
  func add(to router: Router<ServingContext>)
}

extension ChatServer {
  /// All families.
  ///
  /// A route is described in `OpenAPI`, too; a test compares the two.
  var routeFamilies: [any RouteFamily] {
    [
      HealthRoutes(server: self), ModelRoutes(server: self), TokenRoutes(server: self),
      ChatRoutes(server: self), CompletionRoutes(server: self), ResponseRoutes(server: self),
      RequestRoutes(server: self), DocumentRoutes(),
    ]
  }
}

extension Router<ServingContext> {
  /// What else clients and scanners try.
  private static var refusedMethods: [HTTPRequest.Method] {
    let query = HTTPRequest.Method("QUERY").map { [$0] } ?? []
    return [.get, .post, .put, .patch, .delete, .options, .trace] + query
  }

  /// Answers methods that a path does not take with 405 and those that it does take.
  ///
  /// To be called after all routes have been added.
  func refuseOtherMethods() {
    let taken = Dictionary(grouping: routes) { $0.path.description }
    for (path, routes) in taken {
      var methods = routes.map(\.method)
      if methods.contains(.get) { methods.append(.head) }
      let allowed = methods.map(\.rawValue).sorted().joined(separator: ", ")
      for method in Self.refusedMethods where !methods.contains(method) {
        on(RouterPath(path), method: method) { _, _ -> Response in
          var response = APIError(any: HTTPError(.methodNotAllowed)).response
          response.headers[.allow] = allowed
          return response
        }
      }
    }
  }
}
