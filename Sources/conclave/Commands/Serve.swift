import ArgumentParser
import Coordinator
import Foundation
import Inference
import Logging
import ServiceLifecycle
import Serving
import Tokenization

/// The coordinator with the HTTP API.
struct Serve: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Serves the OpenAI-compatible HTTP API, and a web page at /.",
    usage: """
      conclave serve <model> [--http <host:port>] [<options>]
      conclave serve --config <file>
      """,
    discussion: """
      On this machine, for yourself:
        conclave serve model.gguf

      For others, with keys, encrypted, over four machines:
        conclave keys api new alice --file keys --requests-per-minute 60
        conclave serve model.gguf --http 0.0.0.0:8443 --keys keys \\
          --tls-certificate chain.pem --tls-key key.pem \\
          --listen tcp://0.0.0.0:7400 --expect 3 \\
          --cluster-key coordinator.key --allow-workers workers.allow
      `conclave keys --help` shows how machines get their keys.

      Any OpenAI client works with the base URL http://HOST:PORT/v1. /health tells whether the \
      process lives, /ready whether it can answer, /metrics is for Prometheus, / is a chat and a \
      live view of the cluster. Until the model is there all of them say 503 and what is awaited. \
      SIGTERM and Ctrl-C complete the requests under way and end; a second one ends at once. \
      SIGHUP reads the keys again.
      """)

  @Argument(help: "A GGUF file or a Hugging Face folder.")
  var model: String?

  @Option(name: .customLong("model"), help: .hidden)
  var modelOption: String?

  @Option(
    help: ArgumentHelp("Where to listen; a port alone is one of 127.0.0.1.", valueName: "host:port")
  )
  var http = "127.0.0.1:8080"

  @Option(
    help: ArgumentHelp("What clients call the model. (default: the file's name)", valueName: "name")
  )
  var name: String?

  @Option(
    name: .customLong("alias"), parsing: .singleValue,
    help: ArgumentHelp(
      "Another name that clients may use, for tools that insist on one. (repeatable)",
      valueName: "name"))
  var aliases: [String] = []

  @Option(
    help: ArgumentHelp(
      "A YAML file with any of these options, one `name: value` a line, and `model`. The command "
        + "line wins.", valueName: "file"))
  var config: String?  // read before the arguments are parsed: see `ConfigurationFile`

  @Option(
    name: .customLong("chat-format"),
    help: ArgumentHelp(
      "The format, instead of the one that the model asks for.", valueName: "format"))
  var chatFormat: ChatFormat?

  @Option(
    name: .customLong("drain-timeout"),
    help: ArgumentHelp(
      "Seconds that requests under way have when the server is told to end.", valueName: "seconds"))
  var drainTimeout = 30.0

  @Flag(name: .customLong("no-page"), help: "Serve the API only, without the web page.")
  var hasNoPage = false

  @OptionGroup(title: "Access") var accessArguments: AccessArguments
  @OptionGroup(title: "Requests") var engineArguments: EngineArguments
  @OptionGroup(title: "Speculation") var speculationArguments: SpeculationArguments
  @OptionGroup(title: "Logs") var logArguments: LogArguments
  @OptionGroup(title: "Model") var modelArguments: ModelArguments
  @OptionGroup(title: "Cluster") var clusterArguments: ClusterArguments
  @OptionGroup(title: "Computing") var computeArguments: ComputeArguments

  mutating func validate() throws {
    guard let address = HTTPAddress(argument: http) else {
      throw ValidationError("--http must look like HOST:PORT, not \(http)")
    }
    guard (0...86_400).contains(drainTimeout) else {
      throw ValidationError(
        "--drain-timeout must be from 0 to 86400 seconds, not \(drainTimeout)")
    }
    guard name?.isEmpty != true, !aliases.contains("") else {
      throw ValidationError("--name and --alias must not be empty")
    }
    try accessArguments.check(address)
  }

  func run() async throws {
    guard let model = model ?? modelOption else {
      throw ValidationError("Missing expected argument '<model>'")
    }
    guard let address = HTTPAddress(argument: http) else { return }
    let logger = logArguments.makeLogger()
    var options = ChatServer.Options(modelName: name ?? Self.name(of: model))
    options.aliases = aliases
    options.host = address.host
    options.port = address.port
    options.chatFormat = chatFormat
    options.version = Conclave.configuration.version
    options.page = hasNoPage ? nil : PageFolder.page()
    // Before the model is loaded: what is wrong with an address or a file shall show at once.
    try accessArguments.apply(to: &options, at: address, logger: logger)
    try address.checkIsFree()
    let journal = try engineArguments.journal.map { path in
      // It is replaced now and then, which would be the end of a device.
      guard ResultFile.isFile(path) || !TextFile.exists(path) else {
        throw CommandFailure("\(path): this is no regular file; give another --journal")
      }
      return try RequestJournal(path: path)
    }
    if options.tls == nil, !address.isLoopback {
      logger.warning("Keys and texts cross the network readable; --tls-certificate encrypts them")
    }
    FreedMemory.goesBack()
    let entrance = ServerEntrance(options, logger: logger)
    let services = try await ServerServices(entrance, at: address, drainTimeout: drainTimeout)
    do {
      let session = try await load(model, entrance)
      options.fingerprint = session.fingerprint
      options.keepsJournal = engineArguments.journal != nil
      let painter = ClusterPainter(session)
      if session.expertUse != nil || session.cluster != nil {
        options.cluster = { painter.picture() }
      }
      if session.cluster != nil { options.drainWorker = { painter.drain($0) } }
      do {
        try await serve(session, journal, options, entrance, services, logger)
      } catch {
        session.closeAfterFailure()
        throw error
      }
      try session.close()
    } catch {
      await services.end()
      throw error
    }
  }

  /// Loads the model on a thread of its own, so that those who ask meanwhile get an answer.
  private func load(_ model: String, _ entrance: ServerEntrance) async throws -> ModelSession {
    let phase = { @Sendable (what: String) in
      entrance.await(what)
      ServiceNotice.status("Not ready yet: \(what)")
    }
    // Nobody else has it meanwhile.
    nonisolated(unsafe) var session: ModelSession?
    let failure: (any Error)? = await withCheckedContinuation { continuation in
      let thread = Thread {
        do {
          unsafe session = try ModelSession(
            model, modelArguments, clusterArguments, computeArguments, observesExperts: true,
            onPhase: phase)
          continuation.resume(returning: nil)
        } catch {
          continuation.resume(returning: error)
        }
      }
      thread.stackSize = 8 << 20
      thread.start()
    }
    if let failure { throw failure }
    guard let session = unsafe session else { throw CommandFailure("the model was not loaded") }
    return session
  }

  private func serve(
    _ session: ModelSession, _ journal: RequestJournal?, _ options: ChatServer.Options,
    _ entrance: ServerEntrance, _ services: ServerServices, _ logger: Logger
  ) async throws {
    var engineOptions = engineArguments.options
    engineOptions.speculation = speculationArguments.speculation
    engineOptions.journal = journal
    engineOptions.prefixStore?.onFailure = { logger.error("\($0)") }
    let engine = try session.makeEngine(engineOptions)
    let room = engine.status.pageSize * engine.status.pageCount
    if room < engine.contextLength {
      logger.warning(
        """
        --kv-memory has room for \(room) tokens, so a request of more is refused, although \
        --context allows \(engine.contextLength)
        """)
    }
    let server = ChatServer(
      engine: engine, tokenizer: try session.tokenizer(), options: options, logger: logger)
    for line in server.resumeUnfinished() {
      logger.warning("A request is not taken up again", metadata: ["reason": "\(line)"])
    }
    if let limit = ServiceNotice.watchdogLimit {
      await services.add(EngineWatch(heartbeat: session.heartbeat, limit: limit))
    }
    let signals = ServerSignals {
      ServiceNotice.stopping()
      Task { await services.end() }
      Task {
        // A moment before the services are cancelled: who is still there then is cut off.
        try await Task.sleep(for: .seconds(drainTimeout * 0.98))
        let count = server.openRequestCount
        if count > 0 { logger.warning("Requests are cut off", metadata: ["requests": "\(count)"]) }
      }
    } onReload: {
      options.keys?.reload()
    }
    entrance.open(to: server)
    let scheme = options.tls == nil ? "http" : "https"
    ServiceNotice.ready()
    Terminal.note("listening on \(scheme)://\(services.address)")
    let outcome = await services.outcome()
    session.cluster?.coordinator.stopWaiting()
    engine.shutdown(cancelling: true)
    if case .failure(let error) = outcome, !signals.isEnding {
      throw CommandFailure("the server at \(http) has failed: \(error)")
    }
    await engine.waitUntilStopped()
  }

  /// `models/v2-lite-00001-of-00003.gguf` is called `v2-lite`.
  static func name(of path: String) -> String {
    let file = URL(filePath: path).lastPathComponent
    let stem = file.hasSuffix(".gguf") ? String(file.dropLast(5)) : file
    return stem.replacing(/-\d{5}-of-\d{5}$/, with: "")
  }
}
