import Foundation
import Hummingbird
import Inference
import ModelFiles

/// `GET /v1/models` and `GET /v1/models/{model}`.
struct ModelRoutes: RouteFamily {
  static let path = "/v1/models"
  let server: ChatServer

  func add(to router: Router<ServingContext>) {
    router.get(RouterPath(Self.path)) { _, _ in
      let names = [server.options.modelName] + server.options.aliases
      return Response.json(value: ["object": "list", "data": .array(names.map(model))])
    }
    router.get("v1/models/:model") { _, context in
      let written = context.parameters.get("model") ?? server.options.modelName
      let name = written.removingPercentEncoding ?? written
      try server.check(model: name)
      return Response.json(value: model(name))
    }
  }

  private func model(_ name: String) -> JSONValue {
    [
      "id": .string(name), "object": "model",
      "created": .integer(Int(server.startedAt.timeIntervalSince1970)), "owned_by": "conclave",
      // Clients of other servers look for the same number by the second name.
      "context_length": .integer(server.engine.contextLength),
      "max_model_len": .integer(server.engine.contextLength),
    ]
  }
}
