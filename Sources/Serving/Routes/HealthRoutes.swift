import HTTPTypes
import Hummingbird
import Inference
import ModelFiles

/// `GET /health`, which says that the process lives, and `GET /ready`, which says whether it can
/// answer.
struct HealthRoutes: RouteFamily {
  let server: ChatServer

  func add(to router: Router<ServingContext>) {
    router.get("health") { _, _ in Response.json(value: ["status": "ok"]) }
    router.get("ready") { _, _ in
      let readiness = readiness
      var response = Response.json(
        value: json(readiness), status: readiness.problem == nil ? .ok : .serviceUnavailable)
      response.headers[.cacheControl] = "no-store"
      if readiness.problem != nil { response.headers[.retryAfter] = "5" }
      return response
    }
  }

  /// What the command says, else what the picture of the cluster shows.
  private var readiness: Readiness {
    if let readiness = server.options.readiness { return readiness() }
    return server.options.cluster.map { Readiness($0()) } ?? Readiness()
  }

  private func json(_ readiness: Readiness) -> JSONValue {
    [
      "status": readiness.problem == nil ? "ready" : "unavailable",
      "problem": readiness.problem.map { .string($0) } ?? .null,
      "model": .string(server.options.modelName),
      "context_length": .integer(server.engine.contextLength),
      "requests": [
        "running": .integer(server.engine.status.runningCount),
        "waiting": .integer(server.engine.status.waitingCount),
      ],
      "workers": .array(
        readiness.workers.map { worker in
          [
            "name": .string(worker.name), "ready": .bool(worker.isReady),
            "expert_groups": .integer(worker.expertGroups),
          ]
        }),
    ]
  }
}

/// Whether a server can answer, and who takes part.
public struct Readiness: Sendable, Equatable {
  /// A worker of the cluster.
  public struct Worker: Sendable, Equatable {
    /// What the cluster calls it.
    public let name: String
    /// Whether it has loaded its experts and answers.
    public let isReady: Bool
    /// How many groups of experts it holds.
    public let expertGroups: Int

    /// Collects the parts.
    public init(name: String, isReady: Bool, expertGroups: Int) {
      self.name = name
      self.isReady = isReady
      self.expertGroups = expertGroups
    }
  }

  /// Why requests would have to wait, in one line; nil when they would not.
  public var problem: String?
  /// All workers that are known.
  public var workers: [Worker]

  /// Ready, unless there is a problem.
  public init(problem: String? = nil, workers: [Worker] = []) {
    self.problem = problem
    self.workers = workers
  }
}

extension Readiness {
  /// Ready when every group of experts has a worker that answers, or none is needed.
  init(_ picture: ClusterPicture) {
    self.init(
      workers: picture.workers.map { worker in
        Worker(
          name: worker.name, isReady: worker.state.answers, expertGroups: worker.loadedGroups)
      })
    guard !picture.workers.isEmpty else { return }
    let ready = Set(picture.workers.filter(\.state.answers).map(\.id))
    let missing = picture.layers.reduce(0) { sum, layer in
      sum + layer.holders.count { ready.isDisjoint(with: $0) }
    }
    if missing > 0 { problem = "\(missing) groups of experts have no worker that answers" }
  }
}
