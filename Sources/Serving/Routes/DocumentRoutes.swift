import Hummingbird
import NIOCore

/// `GET /openapi.json`: what this server takes and answers.
struct DocumentRoutes: RouteFamily {
  func add(to router: Router<ServingContext>) {
    router.get("openapi.json") { _, _ in
      Response(
        status: .ok, headers: [.contentType: "application/json"],
        body: ResponseBody(byteBuffer: ByteBuffer(string: OpenAPI.document)))
    }
  }
}
