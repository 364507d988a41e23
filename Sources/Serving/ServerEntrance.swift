import HTTPTypes
public import Hummingbird
import HummingbirdCore
import Inference
public import Logging
import NIOCore
import Synchronization

/// Where clients come in: open from the start, while the model is still being loaded or workers are
/// awaited.
///
/// Who comes meanwhile is told what is awaited, and to come again (503); so is who asks for `/health`,
/// since scripts that were written for llama-server begin when that says 200.
public final class ServerEntrance: Sendable {
  private struct State {
    var responder: RouterResponder<ServingContext>?
    var awaited = "the model is being loaded"
  }

  private let options: ChatServer.Options
  private let logger: Logger
  private let state = Mutex(State())

  /// Nothing listens yet.
  ///
  /// - Parameters:
  ///   - options: Address, certificate and limits; the others are those of the server that it opens to.
  ///   - logger: Gets what goes wrong.
  public init(_ options: ChatServer.Options, logger: Logger) {
    self.options = options
    self.logger = logger
  }

  /// Says what clients have to wait for, as in "the model is being loaded".
  public func await(_ what: String) { state.withLock { $0.awaited = what } }

  /// Lets clients through to a server.
  public func open(to server: ChatServer) {
    let responder = server.router().buildResponder()
    state.withLock { $0.responder = responder }
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
    let limits = options.connectionLimits
    let expectsTLS = options.tls != nil
    let census = ConnectionCensus()
    return Application(
      responder: EntranceResponder(entrance: self),
      server: .http1(
        configuration: .init(
          additionalChannelHandlers: [
            ConnectionGuard(limits, census, expectsTLS: expectsTLS), ClientWatch(),
          ],
          idleTimeout: TimeAmount(limits.idleTimeout),
          httpDecoderConfiguration: .init(
            maxHeaderFieldSize: 32 << 10, maxHeaderListSize: 32 << 10, maxHeaderFieldCount: 100))
      ).secured(by: options.tls),
      configuration: ApplicationConfiguration(
        address: .hostname(options.host, port: options.port), serverName: "conclave",
        availableConnectionsDelegate: MaximumAvailableConnections(
          limits.maximumConnections, logger: quiet)),
      onServerRunning: { await onRunning($0.localAddress?.port ?? 0) },
      logger: quiet)
  }

  fileprivate func respond(
    to request: Request, context: ServingContext
  ) async throws -> Response {
    let (responder, awaited) = state.withLock { ($0.responder, $0.awaited) }
    if let responder { return try await responder.respond(to: request, context: context) }
    var response = APIError.unavailable(
      "not ready yet: \(awaited)", code: "loading", retryAfterSeconds: 5
    ).response
    // A browser that wants the page asks again by itself.
    if request.uri.path == "/" { response.headers[.refresh] = "2" }
    return response
  }
}

extension HTTPField.Name {
  fileprivate static let refresh = named("refresh")
}

private struct EntranceResponder: HTTPResponder {
  let entrance: ServerEntrance

  func respond(to request: Request, context: ServingContext) async throws -> Response {
    try await entrance.respond(to: request, context: context)
  }
}
