/// What a trace says: where the time of tokens went, by worker, by layer, and on the critical path.
public struct TraceSummary: Sendable {
  /// A worker's calls.
  public struct WorkerLine: Sendable {
    /// Each part, over all calls.
    public internal(set) var parts: [LatencyHistogram] = PathPart.allCases.map { _ in
      LatencyHistogram()
    }
    /// From dispatch until the reply was here.
    public internal(set) var total = LatencyHistogram()
    /// From its reply until the slowest worker's.
    public internal(set) var wait = LatencyHistogram()
    /// Calls in which it was the one that was waited for.
    public internal(set) var slowestCount = 0

    /// The histogram of a part.
    public subscript(_ part: PathPart) -> LatencyHistogram { parts[part.rawValue] }
  }

  /// One layer at one worker: sums over all calls, in nanoseconds.
  public struct Cell: Sendable {
    /// Calls.
    public internal(set) var count = 0
    /// Sums by part.
    public internal(set) var times = PartTimes()
    /// Sum of what it was waited for, or waited itself, after its reply.
    public internal(set) var wait: UInt64 = 0
    /// Calls in which it was the slowest.
    public internal(set) var slowestCount = 0
  }

  /// What the steps were for.
  public let kind: StepKind
  /// The steps, in order.
  public let paths: [TokenPath]
  /// A line for each worker.
  public private(set) var workers: [WorkerLine]
  /// The layers that have experts, ascending.
  public let layers: [Int]
  /// For each of these layers, a cell for each worker.
  public private(set) var cells: [[Cell]]
  /// Durations of the steps.
  public private(set) var steps = LatencyHistogram()
  /// Sums over all steps, by part of the critical path.
  public private(set) var path = PartTimes()

  /// Analyses the steps of one kind.
  ///
  /// - Parameters:
  ///   - kind: Which steps.
  ///   - records: What was recorded.
  ///   - clocks: The workers' clocks, by link; nil where unknown.
  public init(_ kind: StepKind, of records: [StepRecord], clocks: [ClockMap?]) {
    self.kind = kind
    let steps = records.filter { $0.kind == kind }
    let leastOut = Self.leastOut(steps, clocks)
    var busyUntil = clocks.map { _ in UInt64(0) }
    paths = steps.map { step in
      TokenPath(step, Self.shares(of: step, clocks, leastOut, &busyUntil))
    }
    layers = Set(steps.flatMap { $0.calls.map(\.layer) }).sorted()
    workers = clocks.map { _ in WorkerLine() }
    cells = layers.map { _ in clocks.map { _ in Cell() } }
    for (step, path) in zip(steps, paths) { count(step, path) }
  }

  /// What a message to each worker takes at least.
  private static func leastOut(_ steps: [StepRecord], _ clocks: [ClockMap?]) -> [UInt64] {
    var least = clocks.map { _ in UInt64.max }
    for call in steps.lazy.flatMap(\.calls) {
      for share in call.shares where share.arrivedAt > 0 && clocks.indices.contains(share.worker) {
        let times = ShareTimes(share, of: call, clock: clocks[share.worker]).times
        least[share.worker] = min(least[share.worker], times[.out])
      }
    }
    return least
  }

  private static func shares(
    of step: StepRecord, _ clocks: [ClockMap?], _ leastOut: [UInt64], _ busyUntil: inout [UInt64]
  ) -> [[ShareTimes]] {
    step.calls.map { call in
      call.shares.compactMap { share in
        guard share.arrivedAt > 0, clocks.indices.contains(share.worker) else { return nil }
        let times = ShareTimes(
          share, of: call, clock: clocks[share.worker], busyUntil: busyUntil[share.worker],
          leastOut: leastOut[share.worker])
        busyUntil[share.worker] = max(busyUntil[share.worker], share.repliedAt)
        return times
      }
    }
  }

  private mutating func count(_ step: StepRecord, _ path: TokenPath) {
    steps.record(nanoseconds: path.duration)
    self.path += path.times
    for shares in path.callShares {
      guard let slowest = shares.max(by: { $0.arrivedAt < $1.arrivedAt }),
        let row = layers.firstIndex(of: slowest.layer)
      else { continue }
      for share in shares {
        let wait = slowest.arrivedAt - share.arrivedAt
        count(share, row: row, wait: wait, isSlowest: share.worker == slowest.worker)
      }
    }
  }

  private mutating func count(_ share: ShareTimes, row: Int, wait: UInt64, isSlowest: Bool) {
    let times = share.times
    for part in ShareTimes.parts {
      workers[share.worker].parts[part.rawValue].record(nanoseconds: times[part])
    }
    workers[share.worker].total.record(nanoseconds: times.total)
    workers[share.worker].wait.record(nanoseconds: wait)
    workers[share.worker].slowestCount += isSlowest ? 1 : 0
    cells[row][share.worker].count += 1
    cells[row][share.worker].times += times
    cells[row][share.worker].wait += wait
    cells[row][share.worker].slowestCount += isSlowest ? 1 : 0
  }

  /// The step of median duration, to be drawn.
  public var typical: TokenPath? {
    let sorted = paths.sorted { $0.duration < $1.duration }
    return sorted.isEmpty ? nil : sorted[sorted.count / 2]
  }
}

// MARK: - Words

extension TraceSummary {
  /// The layer that holds a token up longest, on average, and what for.
  public struct Culprit: Sendable, Equatable {
    /// The layer.
    public let layer: Int
    /// The worker that it waits for most often; nil when shared experts take longer.
    public let worker: Int?
    /// The part of that time that takes most.
    public let part: PathPart
    /// Its share of that time, 0…1.
    public let share: Double
    /// Nanoseconds, on average, without the trunk.
    public let nanoseconds: UInt64
  }

  /// Layers by what they hold a token up, longest first.
  public var culprits: [Culprit] {
    layers.compactMap { layer in
      let stretches = paths.flatMap { $0.stretches.filter { $0.layer == layer } }
      guard !stretches.isEmpty else { return nil }
      var times = PartTimes()
      var waits: [Int: Int] = [:]
      for stretch in stretches {
        times += stretch.times
        if let worker = stretch.worker { waits[worker, default: 0] += 1 }
      }
      times[.trunk] = 0
      let most = waits.max { ($0.value, $1.key) < ($1.value, $0.key) }
      let isShared = (most?.value ?? 0) * 2 < stretches.count
      return Culprit(
        layer: layer, worker: isShared ? nil : most?.key, part: times.largest,
        share: Double(times[times.largest]) / Double(max(times.total, 1)),
        nanoseconds: times.total / UInt64(stretches.count))
    }.sorted { $0.nanoseconds > $1.nanoseconds }
  }
}
