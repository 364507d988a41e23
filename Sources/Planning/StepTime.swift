/// Where the time of one engine step goes, in seconds, averaged over the experts that may be chosen.
public struct StepTime: Sendable, Hashable {
  /// What the step waits for, one thing at a time: the parts add up to the step.
  public enum Part: String, CaseIterable, Sendable {
    /// The projections around attention.
    case attentionProjections
    /// Scores and sums over cached positions.
    case attention
    /// Feed-forward networks of layers without experts.
    case dense
    /// Choosing experts.
    case routers
    /// Shared experts, while routed ones are away or before them.
    case shared
    /// Routed experts: computing, beyond the time of the shared ones.
    case experts
    /// Routed experts: bytes on links.
    case transfer
    /// Routed experts: distance.
    case roundTrips
    /// Routed experts: sockets, wake-ups and copies.
    case software
    /// The projection to the vocabulary.
    case head
    /// Norms, encoding, sampling.
    case rest
  }

  private var parts: [Double] = Array(repeating: 0, count: Part.allCases.count)
  /// Seconds in which the coordinator waits for its own memory.
  public internal(set) var coordinatorMemorySeconds = 0.0
  /// Seconds in which the coordinator waits for a worker's memory.
  public internal(set) var workerMemorySeconds = 0.0
  /// Bytes from the coordinator to each worker.
  public internal(set) var sentByteCounts: [Double]
  /// Bytes from each worker to the coordinator.
  public internal(set) var receivedByteCounts: [Double]
  /// Seconds in which each worker computes.
  public internal(set) var busySeconds: [Double]
  /// Workers that a layer's call goes to.
  public internal(set) var fanOut = 0.0

  init(workers: Int) {
    sentByteCounts = Array(repeating: 0, count: workers)
    receivedByteCounts = Array(repeating: 0, count: workers)
    busySeconds = Array(repeating: 0, count: workers)
  }

  /// Seconds of one part.
  public internal(set) subscript(_ part: Part) -> Double {
    get { parts[Self.index(part)] }
    set { parts[Self.index(part)] = newValue }
  }

  private static func index(_ part: Part) -> Int { Part.allCases.firstIndex(of: part) ?? 0 }

  /// Seconds of the step.
  public var seconds: Double { parts.reduce(0, +) }
}
