import Hummingbird
import Inference
import ModelFiles

/// `GET /v1/models` and `GET /v1/models/{model}`.
struct ModelRoutes: RouteFamily {
  let server: ChatServer

  func add(to router: Router<ServingContext>) {
    router.get("v1/models") { _, _ in
      Response.json(value: ["object": "list", "data": [model]])
    }
    router.get("v1/models/:model") { _, context in
      try server.check(model: context.parameters.get("model"))
      return Response.json(value: model)
    }
  }

  private var model: JSONValue {
    [
      "id": .string(server.options.modelName), "object": "model", "created": 0,
      "owned_by": "conclave", "context_length": .integer(server.engine.contextLength),
    ]
  }
}
