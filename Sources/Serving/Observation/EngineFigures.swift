import Inference
import Telemetry

/// What the engine says of itself at a moment.
struct EngineFigures: Encodable {
  /// Requests in the batch that runs.
  let running: Int
  /// Requests that wait, preempted ones included.
  let waiting: Int
  /// Pages of keys and values that running requests use.
  let usedPages: Int
  /// Pages that only the prefix cache uses.
  let prefixPages: Int
  /// Pages of the prefix cache that are on disk.
  let storedPages: Int
  /// Pages that came back from there.
  let loadedPages: Int
  /// All pages.
  let totalPages: Int
  /// Tokens of one page.
  let pageTokens: Int
  /// How often a request gave its pages up and started again later.
  let preemptions: Int
  /// Tokens that were drafted and verified beside the next ones.
  let draftedTokens: Int
  /// Those of them that were right.
  let acceptedTokens: Int
  /// Time of a step.
  let step: ClusterPicture.Times
  /// Seconds of all steps, by what was done.
  let seconds: Phases

  /// Seconds of all steps.
  struct Phases: Encodable {
    let scheduling: Double
    let forward: Double
    let sampling: Double
    let events: Double

    init(_ phases: EngineStatus.Phases) {
      scheduling = phases.scheduling / .seconds(1)
      forward = phases.forward / .seconds(1)
      sampling = phases.sampling / .seconds(1)
      events = phases.events / .seconds(1)
    }
  }

  /// Takes what is shown out of all that the engine knows.
  init(_ status: EngineStatus) {
    running = status.runningCount
    waiting = status.waitingCount
    usedPages = status.usedPageCount
    prefixPages = status.idlePrefixPageCount
    storedPages = status.storedPrefixPageCount
    loadedPages = status.loadedPrefixPageCount
    totalPages = status.pageCount
    pageTokens = status.pageSize
    preemptions = status.preemptionCount
    draftedTokens = status.draftedTokens
    acceptedTokens = status.acceptedTokens
    let time = status.stepTime
    step = ClusterPicture.Times(
      count: time.count, p50: time.p50.microseconds, p99: time.p99.microseconds,
      max: time.max.microseconds, mean: time.mean.microseconds)
    seconds = Phases(status.phases)
  }
}
