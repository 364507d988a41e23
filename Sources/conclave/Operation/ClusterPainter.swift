import Coordinator
import Experts
import Placement
import Serving
import Telemetry

/// Draws the workers and experts of a session for the server's live view.
struct ClusterPainter: Sendable {
  private let coordinator: ClusterCoordinator?
  private let use: ExpertUse?

  /// Looks at a session whose workers are gathered.
  init(_ session: ModelSession) {
    coordinator = session.cluster?.coordinator
    use = session.expertUse
  }

  /// The picture of now.
  func picture() -> ClusterPicture {
    var picture = ClusterPicture()
    if let coordinator {
      let links = coordinator.latencies
      picture.workers = coordinator.workers.map { worker in
        Self.worker(worker, links.first { $0.worker == worker.id }?.hops)
      }
    }
    picture.groupCount = coordinator?.experts?.geometry.groupCount ?? 0
    let messages = coordinator?.messageCounts
    picture.messageCount = messages?.all ?? 0
    picture.hedgeCount = messages?.hedges ?? 0
    guard let use else { return picture }
    let figures = use.snapshot
    picture.time = Self.time(figures)
    picture.layers = figures.uses.enumerated().map { index, uses in
      let layer = use.firstLayer + index
      return ClusterPicture.Layer(
        layer: layer, uses: uses, holders: holders(of: layer))
    }
    return picture
  }

  /// Lets a worker go, named by its number or the name that it gave itself; false when there is none.
  func drain(_ name: String) -> Bool {
    let worker = coordinator?.workers.last {
      $0.lostReason == nil && ($0.name == name || "\($0.id.rawValue)" == name)
    }
    guard let worker else { return false }
    coordinator?.drain(worker.id)
    return true
  }

  private func holders(of layer: Int) -> [[Int]] {
    let holders = coordinator?.holders(of: LayerIndex(layer)) ?? []
    return holders.map { $0.map { Int($0.rawValue) } }
  }

  private static func time(_ figures: ExpertUse.Snapshot) -> ClusterPicture.StepTime {
    var time = ClusterPicture.StepTime()
    time.calls = figures.calls
    time.rows = figures.rows
    time.betweenSeconds = figures.between / .seconds(1)
    time.dispatchSeconds = figures.dispatch / .seconds(1)
    time.meanwhileSeconds = figures.meanwhile / .seconds(1)
    time.combineSeconds = figures.combine / .seconds(1)
    return time
  }

  private static func worker(
    _ worker: WorkerSummary, _ hops: HopLatencies?
  ) -> ClusterPicture.Worker {
    ClusterPicture.Worker(
      id: Int(worker.id.rawValue), name: worker.name,
      state: state(of: worker),
      lostReason: worker.lostReason, cores: worker.cores, instructionSet: worker.instructionSet,
      memoryBudget: worker.memoryBudget, memoryBandwidth: worker.memoryBandwidth,
      assignedGroups: worker.assignedGroups, loadedGroups: worker.loadedGroups,
      residentBytes: worker.residentBytes, link: hops.flatMap(link))
  }

  private static func state(of worker: WorkerSummary) -> ClusterPicture.State {
    if worker.lostReason != nil { return .lost }
    if worker.isDraining { return .draining }
    return worker.isReady ? .ready : .loading
  }

  private static func link(_ hops: HopLatencies) -> ClusterPicture.Link? {
    guard hops.roundTrip.count > 0 else { return nil }
    return ClusterPicture.Link(
      roundTrip: times(hops.roundTrip), network: times(hops.network), queue: times(hops.queue),
      compute: times(hops.compute))
  }

  private static func times(_ histogram: LatencyHistogram) -> ClusterPicture.Times {
    ClusterPicture.Times(
      count: histogram.count, p50: histogram.p50.microseconds, p99: histogram.p99.microseconds,
      max: histogram.max.microseconds, mean: histogram.mean.microseconds)
  }
}
