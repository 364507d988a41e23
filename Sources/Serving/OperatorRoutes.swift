import Foundation
package import HTTPTypes
import Hummingbird
import Inference
import ModelFiles
import NIOCore

extension ChatServer {
  /// Adds what every request passes, outermost first.
  func addMiddleware(to router: Router<ServingContext>) {
    router.add(middleware: RequestMiddleware(figures: figures, logger: logger))
    if !options.allowedOrigins.isEmpty {
      router.add(middleware: OriginMiddleware(origins: options.allowedOrigins))
    }
    router.add(middleware: ErrorMiddleware())
    router.add(
      middleware: TargetMiddleware(maximumByteCount: options.connectionLimits.maximumTargetBytes))
    if let names = options.hostNames {
      router.add(middleware: HostMiddleware(names: names, origins: options.allowedOrigins))
    }
    if let keys = options.keys {
      router.add(
        middleware: KeyMiddleware(openPaths: openPaths, keys: keys, figures: figures))
    }
    // Last: who is refused for something else need not send a body.
    router.add(middleware: BodyMiddleware(maximumByteCount: options.maximumBodyBytes))
  }

  /// Adds the routes for those who run the server.
  func addOperatorRoutes(to router: Router<ServingContext>) {
    router.get("metrics") { _, _ in
      Response(
        status: .ok, headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
        body: ResponseBody(byteBuffer: ByteBuffer(string: ServerMetrics.text(of: self))))
    }
    router.get("cluster") { _, _ in
      var response = Response.json(ServerPicture(self))
      response.headers[.cacheControl] = "no-store"
      return response
    }
    router.post("cluster/drain/:worker") { _, context in
      // A key lets ask the model; only who is on this machine may change the cluster.
      guard context.client.isOfThisMachine else {
        throw APIError.invalid(
          "workers are drained from the server's own machine", code: "not_allowed",
          status: .forbidden)
      }
      let worker = context.parameters.get("worker")?.removingPercentEncoding ?? ""
      guard options.drainWorker?(worker) == true else {
        throw APIError.invalid(
          "there is no such worker", code: "not_found", status: .notFound)
      }
      return Response.json(value: ["status": "draining"], status: .accepted)
    }
    for file in options.page?.files ?? [] {
      router.get(RouterPath(file.path)) { _, _ in file.response }
    }
  }

  /// Requests that are being answered.
  public var openRequestCount: Int { figures.snapshot().openRequests }

  /// Every route, for tests that none is forgotten.
  package var routes: [(method: HTTPRequest.Method, path: String)] {
    router().routes.map { ($0.method, "\($0.path)") }
  }

  /// What needs no key.
  var openPaths: Set<String> { Set(["/health"] + (options.page?.paths ?? [])) }

  /// What the engine says of itself.
  var engineFigures: EngineFigures { EngineFigures(engine.status) }
}
