import ArgumentParser
import Foundation
import Inference
import Logging
import ServiceLifecycle
import Serving
import Tokenization
import UnixSignals

/// The coordinator with the HTTP API.
struct Serve: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Serves the OpenAI-compatible HTTP API.",
    discussion: """
      Routes: POST /v1/chat/completions and /v1/completions, GET /v1/models and /health. Requests \
      run one after another. Ctrl-C or SIGTERM completes the requests under way and ends. The API \
      has no keys yet: leave it on loopback, or behind something that has.
      """)

  @Argument(help: "A GGUF file or a Hugging Face folder.")
  var model: String

  @Option(help: ArgumentHelp("Where to listen.", valueName: "host:port"))
  var http = "127.0.0.1:8080"

  @Option(
    help: ArgumentHelp("What clients call the model. (default: the file's name)", valueName: "name")
  )
  var name: String?

  @Option(
    name: .customLong("chat-format"),
    help: ArgumentHelp(
      "The format, instead of the one that the model asks for.", valueName: "format"))
  var chatFormat: ChatFormat?

  @OptionGroup(title: "Model") var modelArguments: ModelArguments
  @OptionGroup(title: "Cluster") var clusterArguments: ClusterArguments
  @OptionGroup(title: "Computing") var computeArguments: ComputeArguments

  mutating func validate() throws {
    guard HTTPAddress(argument: http) != nil else {
      throw ValidationError("--http must look like HOST:PORT, not \(http)")
    }
  }

  func run() async throws {
    guard let address = HTTPAddress(argument: http) else { return }
    let session = try ModelSession(model, modelArguments, clusterArguments, computeArguments)
    defer { session.close() }
    var options = ChatServer.Options(modelName: name ?? Self.name(of: model))
    options.host = address.host
    options.port = address.port
    options.chatFormat = chatFormat
    options.fingerprint = session.fingerprint
    // The session does not run the model itself, so that it is the engine's alone.
    nonisolated(unsafe) let generator = try session.makeGenerator()
    let engine = try unsafe Engine(generator)
    let server = ChatServer(
      engine: engine, tokenizer: try session.tokenizer(), options: options, logger: Logger.command()
    )
    let application = server.application { port in
      Terminal.note("listening on http://\(address.host):\(port)")
    }
    let services = ServiceGroup(
      services: [application], gracefulShutdownSignals: [.sigint, .sigterm],
      logger: Logger.command())
    do {
      try await services.run()
    } catch {
      engine.shutdown(cancelling: true)
      throw CommandFailure("cannot serve on \(address), choose another --http: \(error)")
    }
    engine.shutdown(cancelling: false)
    await engine.waitUntilStopped()
  }

  /// `models/v2-lite-00001-of-00003.gguf` is called `v2-lite`.
  static func name(of path: String) -> String {
    let file = URL(filePath: path).lastPathComponent
    let stem = file.hasSuffix(".gguf") ? String(file.dropLast(5)) : file
    return stem.replacing(/-\d{5}-of-\d{5}$/, with: "")
  }
}
