internal import Foundation
internal import Planning

/// What users ask of a simulated cluster: arrivals and lengths, fixed by a seed.
public struct Workload: Sendable {
  /// Requests.
  public var requestCount = 200
  /// Requests per second, on average; they come by chance (a Poisson process).
  public var requestsPerSecond = 0.5
  /// The median of prompts, in tokens; half of them are shorter.
  public var promptMedian = 100
  /// The median of answers, in tokens.
  public var answerMedian = 90
  /// No prompt and answer together have more tokens than this.
  public var contextLength = 8192

  /// The defaults above.
  public init() {}

  /// How far lengths spread: the deviation of their logarithms, skewed as in the conversations of
  /// ShareGPT.
  private static let (promptSpread, answerSpread) = (0.9, 0.7)

  /// One request.
  struct Request: Sendable, Equatable {
    /// Seconds after the start.
    let time: Double
    let promptCount: Int
    let answerCount: Int
  }

  /// All requests in the order of their arrival.
  func requests(seed: UInt64) -> [Request] {
    var random = SeededRandom(seed: seed)
    var time = 0.0
    return (0..<requestCount).map { _ in
      time += -log(random.unit()) / requestsPerSecond
      let prompt = Self.length(promptMedian, Self.promptSpread, &random)
      let answer = Self.length(answerMedian, Self.answerSpread, &random)
      let promptCount = min(max(prompt, 1), max(contextLength - 1, 1))
      return Request(
        time: time, promptCount: promptCount,
        answerCount: min(max(answer, 1), max(contextLength - promptCount, 1)))
    }
  }

  /// Log-normal (Box and Muller).
  private static func length(
    _ median: Int, _ spread: Double, _ random: inout SeededRandom
  ) -> Int {
    let (u, v) = (random.unit(), random.unit())
    let normal = (-2 * log(u)).squareRoot() * cos(2 * Double.pi * v)
    return Int(min(Double(median) * exp(spread * normal), 1e6).rounded())
  }
}
