import Foundation
public import Hummingbird
public import Inference
public import Logging
import Telemetry
public import Tokenization

/// The OpenAI-compatible HTTP face of an engine.
///
/// `GET /openapi.json` describes its routes; each family of them has a file in `Routes`. For operators
/// there are `GET /metrics`, `GET /cluster`, and the page at `GET /`.
public struct ChatServer: Sendable {
  /// Where the server listens and what it says about itself.
  public struct Options: Sendable {
    /// The address to bind; loopback unless the caller decides otherwise.
    public var host = "127.0.0.1"
    /// The port to bind; 0 takes a free one.
    public var port = 8080
    /// What clients call the model: the file's stem or an alias.
    public var modelName: String
    /// Other names that requests may give it.
    public var aliases: [String] = []
    /// What applies to fields that a request leaves out.
    public var defaults = SamplingParameters()
    /// How chats become tokens; nil is the model's own format.
    public var chatFormat: ChatFormat?
    /// Identifies model and numerics; equal fingerprints and seeds give equal answers.
    public var fingerprint: String?
    /// The most bytes of a request body.
    public var maximumBodyBytes = 4 << 20
    /// How long clients may take, and how many connections they may have.
    public var connectionLimits = ConnectionLimits()
    /// How long a stream may be silent before a comment shows that it lives; proxies and clients give
    /// up one that says nothing for a minute.
    public var longestSilence = Duration.seconds(15)
    /// Whether streams are written to the engine's journal, so that they survive a crash.
    public var keepsJournal = false
    /// Asked by `GET /ready`: whether requests can be answered, and by whom; nil: as `cluster` shows.
    public var readiness: (@Sendable () -> Readiness)?
    /// Who may ask; nil lets everybody in.
    public var keys: KeyRing?
    /// The names by which the server may be asked; nil takes any.
    public var hostNames: Set<String>?
    /// Sites whose pages may ask, as in `Origin`, lower case; `*` is any.
    public var allowedOrigins: Set<String> = []
    /// The certificate; nil serves without TLS.
    public var tls: ServerTLS?
    /// The files of the page at `/`; nil has none.
    public var page: PageFiles?
    /// The version of the program.
    public var version = ""
    /// Draws the workers; nil where there are no routed experts.
    public var cluster: (@Sendable () -> ClusterPicture)?
    /// Lets a worker go once others hold what it holds; nil where there are no workers.
    ///
    /// Takes its number or name; false when there is none of that name.
    public var drainWorker: (@Sendable (String) -> Bool)?

    /// Loopback, port 8080, everything else as OpenAI's API has it.
    public init(modelName: String) {
      self.modelName = modelName
    }
  }

  package let engine: Engine
  let tokenizer: Tokenizer
  let options: Options
  package let logger: Logger
  let figures = ServerFigures()
  let startedAt = Date()
  /// The same, by the clock that does not jump.
  let startTime = MonotonicTime.now
  let library: ConstraintLibrary
  let archive = StreamArchive()

  /// Joins the parts; nothing listens yet.
  ///
  /// - Parameters:
  ///   - engine: Runs the requests; its owner shuts it down after the application has ended.
  ///   - tokenizer: The model's own.
  ///   - options: Address, names and limits.
  ///   - logger: Gets a line for each request; prompts and answers are never logged.
  public init(engine: Engine, tokenizer: Tokenizer, options: Options, logger: Logger) {
    self.engine = engine
    self.tokenizer = tokenizer
    self.options = options
    self.logger = logger
    library = ConstraintLibrary(tokenizer)
  }

  /// The service to run, where everything is ready before anybody comes.
  ///
  /// - Parameter onRunning: Called with the port once connections are accepted.
  /// - Returns: An application that `run()` or a service group starts; see `ServerEntrance`.
  public func application(
    onRunning: @escaping @Sendable (Int) async -> Void = { _ in }
  ) -> some ApplicationProtocol {
    let entrance = ServerEntrance(options, logger: logger)
    entrance.open(to: self)
    return entrance.application(onRunning: onRunning)
  }

  /// Every route, behind what every request passes.
  func router() -> Router<ServingContext> {
    let router = Router(context: ServingContext.self, options: .autoGenerateHeadEndpoints)
    addMiddleware(to: router)
    addOperatorRoutes(to: router)
    for family in routeFamilies { family.add(to: router) }
    router.refuseOtherMethods()
    return router
  }
}
