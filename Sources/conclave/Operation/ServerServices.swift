import ServiceLifecycle
import Serving

/// What runs while `conclave serve` does: the entrance from the start, the rest when it is there.
struct ServerServices {
  /// Where the entrance listens, as in a URL.
  let address: String
  private let group: ServiceGroup
  private let run: Task<Result<Void, any Error>, Never>

  /// Opens the entrance.
  ///
  /// - Parameters:
  ///   - entrance: What listens.
  ///   - address: Where it does.
  ///   - drainTimeout: Seconds that requests under way have in the end.
  /// - Throws: When nobody can listen at `address`.
  init(_ entrance: ServerEntrance, at address: HTTPAddress, drainTimeout: Double) async throws {
    let (ports, found) = AsyncStream.makeStream(of: Int.self)
    let application = entrance.application { found.yield($0) }
    var configuration = ServiceGroupConfiguration(services: [application], logger: .command())
    configuration.maximumGracefulShutdownDuration = .seconds(drainTimeout)
    let group = ServiceGroup(configuration: configuration)
    let run = Task { () -> Result<Void, any Error> in
      defer { found.finish() }
      do { return .success(try await group.run()) } catch { return .failure(error) }
    }
    guard let port = await ports.first(where: { _ in true }) else {
      let reason = if case .failure(let error) = await run.value { "\(error)" } else { "it ended" }
      throw CommandFailure("cannot serve on \(address), choose another --http: \(reason)")
    }
    self.address = address.withPort(port)
    self.group = group
    self.run = run
  }

  /// Lets one more service live as long.
  func add(_ service: any Service) async { await group.addServiceUnlessShutdown(service) }

  /// Tells all to end after the requests under way.
  func end() async { await group.triggerGracefulShutdown() }

  /// Waits until all have ended.
  func outcome() async -> Result<Void, any Error> { await run.value }
}
