import ServiceLifecycle
import Telemetry

/// Tells the service manager that the engine gets on, so that a stuck one is started again.
///
/// An engine that waits, for requests or for experts that are being loaded, gets on; one whose thread has
/// been silent for half of the manager's limit does not. The requests of a journal go on afterwards.
struct EngineWatch: Service {
  let heartbeat: Heartbeat
  /// The manager's limit.
  let limit: Duration

  func run() async throws {
    while !Task.isShuttingDownGracefully {
      if heartbeat.silence < limit / 2 { ServiceNotice.alive() }
      do {
        try await cancelWhenGracefulShutdown {
          try await Task.sleep(for: min(limit / 6, .seconds(1)))
        }
      } catch { return }
    }
  }
}
