/// How users would fare, and how busy machines and links would be.
public struct SimulationReport: Sendable, Equatable {
  /// Some times, in seconds.
  public struct Times: Sendable, Equatable {
    private let sorted: [Double]

    init(_ values: [Double]) { sorted = values.sorted() }

    /// How many there are.
    public var count: Int { sorted.count }
    /// The largest; 0 without any.
    public var max: Double { sorted.last ?? 0 }
    /// The mean; 0 without any.
    public var mean: Double {
      sorted.isEmpty ? 0 : sorted.reduce(0, +) / Double(sorted.count)
    }

    /// The smallest time that `share` of all do not exceed; 0 without any.
    public func percentile(_ share: Double) -> Double {
      guard !sorted.isEmpty else { return 0 }
      let rank = Int((share * Double(sorted.count)).rounded(.up)) - 1
      return sorted[min(Swift.max(rank, 0), sorted.count - 1)]
    }
  }

  /// One worker and its link.
  public struct Worker: Sendable, Equatable {
    /// Its name.
    public let name: String
    /// The part of the time in which it computes.
    public let busyShare: Double
    /// The part of its link's bandwidth that is used, to it and back.
    public let linkShares: (sent: Double, received: Double)
    /// Whether it was lost.
    public let isLost: Bool

    /// Two workers are equal when all of their figures are.
    public static func == (a: Worker, b: Worker) -> Bool {
      a.name == b.name && a.busyShare == b.busyShare && a.linkShares == b.linkShares
        && a.isLost == b.isLost
    }
  }

  /// Seconds of the cluster's time.
  public internal(set) var seconds = 0.0
  /// Engine steps.
  public internal(set) var stepCount = 0
  /// Requests that were answered.
  public internal(set) var answeredCount = 0
  /// Requests that were ended with an error.
  public internal(set) var failedCount = 0
  /// How often a sequence gave its cache to others.
  public internal(set) var preemptionCount = 0
  /// Most requests that waited at the same time.
  public internal(set) var longestQueue = 0
  /// Tokens of prompts that were run, and of answers.
  public internal(set) var tokenCounts = (prompt: 0, answer: 0)
  /// Seconds in which the engine had something to do.
  public internal(set) var busySeconds = 0.0
  /// Messages to workers, and those of them that asked another worker because one was late.
  public internal(set) var messageCounts = (all: 0, hedges: 0)
  /// From a request's arrival to its first token.
  public internal(set) var timeToFirstToken = Times([])
  /// Between two tokens of an answer.
  public internal(set) var interTokenLatency = Times([])
  /// From arrival to the last token.
  public internal(set) var requestTime = Times([])
  /// The workers, in the order of the cluster.
  public internal(set) var workers: [Worker] = []

  /// Answer tokens per second.
  public var answerTokensPerSecond: Double {
    seconds > 0 ? Double(tokenCounts.answer) / seconds : 0
  }

  /// Two reports are equal when all of their figures are.
  public static func == (a: Self, b: Self) -> Bool {
    a.seconds == b.seconds && a.stepCount == b.stepCount && a.answeredCount == b.answeredCount
      && a.failedCount == b.failedCount && a.preemptionCount == b.preemptionCount
      && a.longestQueue == b.longestQueue && a.tokenCounts == b.tokenCounts
      && a.busySeconds == b.busySeconds && a.timeToFirstToken == b.timeToFirstToken
      && a.interTokenLatency == b.interTokenLatency && a.requestTime == b.requestTime
      && a.messageCounts == b.messageCounts && a.workers == b.workers
  }
}
