import Foundation
import HTTPTypes
public import Hummingbird
import HummingbirdCore
public import Inference
public import Logging
import ModelFiles
import NIOCore
public import Tokenization

/// The OpenAI-compatible HTTP face of an engine.
///
/// Routes: `POST /v1/chat/completions`, `POST /v1/completions`, `GET /v1/models`,
/// `GET /v1/models/{model}`, `GET /health`; for operators `GET /metrics`, `GET /cluster`, and the page
/// at `GET /`.
public struct ChatServer: Sendable {
  /// Where the server listens and what it says about itself.
  public struct Options: Sendable {
    /// The address to bind; loopback unless the caller decides otherwise.
    public var host = "127.0.0.1"
    /// The port to bind; 0 takes a free one.
    public var port = 8080
    /// What clients call the model: the file's stem or an alias.
    public var modelName: String
    /// What applies to fields that a request leaves out.
    public var defaults = SamplingParameters()
    /// How chats become tokens; nil is the model's own format.
    public var chatFormat: ChatFormat?
    /// Identifies model and numerics; equal fingerprints and seeds give equal answers.
    public var fingerprint: String?
    /// The most bytes of a request body.
    public var maximumBodyBytes = 4 << 20
    /// The most open connections.
    public var maximumConnections = 1024
    /// Who may ask; nil lets everybody in.
    public var keys: KeyRing?
    /// The names by which the server may be asked; nil takes any.
    public var hostNames: Set<String>?
    /// The certificate; nil serves without TLS.
    public var tls: ServerTLS?
    /// The files of the page at `/`; nil has none.
    public var page: PageFiles?
    /// The version of the program.
    public var version = ""
    /// Draws the workers; nil where there are no routed experts.
    public var cluster: (@Sendable () -> ClusterPicture)?

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
  }

  /// The service to run; it ends gracefully: requests under way are answered first.
  ///
  /// - Parameter onRunning: Called with the port once connections are accepted.
  /// - Returns: An application that `run()` or a service group starts.
  public func application(
    onRunning: @escaping @Sendable (Int) async -> Void = { _ in }
  ) -> some ApplicationProtocol {
    // The framework's own lines are of no use to an operator unless something is wrong.
    var quiet = logger
    quiet.logLevel = max(logger.logLevel, .warning)
    return Application(
      router: router(),
      server: .http1(
        configuration: .init(
          additionalChannelHandlers: [ClientWatch()], idleTimeout: .seconds(60),
          httpDecoderConfiguration: .init(
            maxHeaderFieldSize: 32 << 10, maxHeaderListSize: 32 << 10, maxHeaderFieldCount: 100))
      ).secured(by: options.tls),
      configuration: ApplicationConfiguration(
        address: .hostname(options.host, port: options.port), serverName: "conclave",
        availableConnectionsDelegate: MaximumAvailableConnections(
          options.maximumConnections, logger: quiet)),
      onServerRunning: { await onRunning($0.localAddress?.port ?? 0) },
      logger: quiet)
  }

  /// Every route, behind what every request passes.
  func router() -> Router<ServingContext> {
    let router = Router(context: ServingContext.self)
    addMiddleware(to: router)
    addOperatorRoutes(to: router)
    router.get("health") { _, _ in Response.json(["status": "ok"]) }
    router.get("v1/models") { _, _ in Response.json(ModelList(data: [model])) }
    router.get("v1/models/:model") { _, context in
      try check(model: context.parameters.get("model"))
      return Response.json(model)
    }
    router.post("v1/chat/completions") { request, context in
      try await answerChat(request, context)
    }
    router.post("v1/completions") { request, context in
      try await answerText(request, context)
    }
    return router
  }
}

extension ChatServer {
  private func answerChat(_ request: Request, _ context: ServingContext) async throws -> Response {
    let body = try ChatCompletionsBody(await json(of: request), defaults: options.defaults)
    try check(model: body.model)
    let prompt: [TokenID]
    do {
      prompt = try tokenizer.encode(chat: body.messages, format: options.chatFormat)
    } catch {
      throw APIError.invalid("\(error)", param: "messages")
    }
    let format = options.chatFormat ?? tokenizer.chatFormat
    return try await answer(
      .chat, prompt: prompt, answerPrefix: format?.answerPrefix ?? "", body.generation, context)
  }

  private func answerText(_ request: Request, _ context: ServingContext) async throws -> Response {
    let body = try CompletionsBody(await json(of: request), defaults: options.defaults)
    try check(model: body.model)
    return try await answer(.text, prompt: try prompt(of: body), body.generation, context)
  }

  /// The tokens of a raw prompt: special tokens in it count, and it gets one BOS if need be.
  private func prompt(of body: CompletionsBody) throws(APIError) -> [TokenID] {
    switch body.prompt {
    case .tokens(let tokens): return tokens
    case .text(let text):
      if let suffix = body.suffix {
        do { return try tokenizer.encode(prefix: text, suffix: suffix) } catch {
          throw .invalid("\(error)", param: "suffix")
        }
      }
      let tokens = tokenizer.encode(text, specials: true, addBOS: tokenizer.addsBOS)
      let repeatsBOS = tokens.count > 1 && tokens[0] == tokenizer.bos && tokens[1] == tokens[0]
      return repeatsBOS ? Array(tokens.dropFirst()) : tokens
    }
  }

  private func answer(
    _ kind: AnswerKind, prompt: [TokenID], answerPrefix: String = "", _ fields: GenerationFields,
    _ context: ServingContext
  ) async throws -> Response {
    var request = GenerationRequest(
      prompt: prompt, maxTokens: fields.maxTokens, sampling: fields.sampling,
      stopStrings: fields.stopStrings,
      stopTokens: fields.ignoresEndOfText ? [] : tokenizer.stopTokens, answerPrefix: answerPrefix)
    request.belong(to: context.caller)
    let generation = try engine.submit(request)
    let watch = figures.watch(promptTokens: prompt.count, account: context.caller.account)
    let format = AnswerFormat(kind, model: options.modelName, fingerprint: options.fingerprint)
    if fields.streams {
      let stream = EventStream(
        format: format, includesUsage: fields.includesUsage, watch: watch)
      return stream.response(generation, client: context.client)
    }
    let (text, summary) = try await context.client.cancelling(generation) {
      try await collect(generation, watch)
    }
    return Response.json(format.whole(text, summary))
  }

  private func collect(
    _ generation: Generation, _ watch: GenerationWatch
  ) async throws -> (String, GenerationSummary) {
    var text = ""
    for try await event in generation.events {
      watch.take(event)
      switch event {
      case .token, .logProbabilities: break
      case .text(let more): text += more
      case .finished(let summary) where summary.finishReason != .cancelled: return (text, summary)
      case .finished: break
      }
    }
    throw InferenceError.shuttingDown  // or the client has gone, and nobody reads this
  }

  private func json(of request: Request) async throws -> JSONValue {
    let body = try await bytes(of: request)
    do {
      return try JSONValue(parsing: Array(body.readableBytesView))
    } catch {
      throw APIError.invalid("the request body is not valid JSON: \(error)", code: "invalid_json")
    }
  }

  private func bytes(of request: Request) async throws -> ByteBuffer {
    do {
      return try await request.body.collect(upTo: options.maximumBodyBytes)
    } catch is NIOTooManyBytesError {
      throw APIError.invalid(
        "the request body has more than \(options.maximumBodyBytes) bytes",
        status: .contentTooLarge)
    }
  }

  /// Fails when a request names a model that this server does not have.
  private func check(model name: String?) throws(APIError) {
    guard let name, name != options.modelName else { return }
    throw .invalid(
      "the model \"\(name.prefix(80))\" does not exist here; this server has"
        + " \"\(options.modelName)\"", param: "model", code: "model_not_found",
      status: .notFound)
  }

  private var model: ModelDescription { ModelDescription(id: options.modelName) }
}

/// The answer to `GET /v1/models`.
struct ModelList: Encodable {
  let object = "list"
  let data: [ModelDescription]
}

/// The only model of a server.
struct ModelDescription: Encodable {
  let id: String
  let object = "model"
  let created = 0
  let owner = "conclave"

  private enum CodingKeys: String, CodingKey {
    case id, object, created
    case owner = "owned_by"
  }
}
