import Foundation
import Telemetry

/// The answer to `GET /cluster`: everything that the live view shows.
struct ServerPicture: Encodable {
  let model: String
  let fingerprint: String?
  let version: String
  let uptimeSeconds: Double
  let openRequests: Int
  let tokens: Tokens
  let latency: Latency
  let engine: EngineFigures
  let cluster: ClusterPicture?

  /// Tokens so far, and now.
  struct Tokens: Encodable {
    let prompt: Int
    let cachedPrompt: Int
    let output: Int
    let promptPerSecond: Double
    let outputPerSecond: Double
  }

  /// What clients have waited, in milliseconds.
  struct Latency: Encodable {
    let firstToken: Quantiles?
    let interToken: Quantiles?

    init(_ figures: ServerFigures.Snapshot) {
      firstToken = Quantiles(figures.firstToken)
      interToken = Quantiles(figures.interToken)
    }
  }

  /// Quantiles in milliseconds.
  struct Quantiles: Encodable {
    let count: Int
    let p50: Double
    let p99: Double

    init?(_ histogram: BucketHistogram) {
      guard let p50 = histogram.quantile(0.5), let p99 = histogram.quantile(0.99) else {
        return nil
      }
      count = histogram.count
      self.p50 = p50 * 1000
      self.p99 = p99 * 1000
    }
  }

  init(_ server: ChatServer) {
    let figures = server.figures.snapshot()
    model = server.options.modelName
    fingerprint = server.options.fingerprint
    version = server.options.version
    uptimeSeconds = (MonotonicTime.now - server.startTime) / .seconds(1)
    openRequests = figures.openRequests
    tokens = Tokens(
      prompt: figures.promptTokens, cachedPrompt: figures.cachedPromptTokens,
      output: figures.outputTokens, promptPerSecond: figures.promptPerSecond,
      outputPerSecond: figures.outputPerSecond)
    latency = Latency(figures)
    engine = server.engineFigures
    cluster = server.options.cluster?()
  }
}
