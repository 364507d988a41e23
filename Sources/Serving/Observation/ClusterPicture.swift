/// The workers, links and experts of a moment, for the live view and the metrics.
///
/// Serving does not know the cluster; whoever starts the server draws this picture.
public struct ClusterPicture: Sendable, Encodable {
  /// The workers, by number.
  public var workers: [Worker] = []
  /// The layers with experts.
  public var layers: [Layer] = []
  /// Expert groups of each layer.
  public var groupCount = 0
  /// Messages to workers so far.
  public var messageCount = 0
  /// Those of them that asked another worker because one was late.
  public var hedgeCount = 0
  /// Where the time of all steps so far went.
  public var time = StepTime()

  /// Nothing.
  public init() {}

  /// One worker.
  public struct Worker: Sendable, Encodable {
    /// Its number.
    public var id: Int
    /// The name that it gave itself.
    public var name: String
    /// How it is.
    public var state: State
    /// Why it is gone, if it is.
    public var lostReason: String?
    /// Threads that compute.
    public var cores: Int
    /// Kernel variant in use.
    public var instructionSet: String
    /// Bytes of experts that it may hold.
    public var memoryBudget: Int
    /// Measured read bandwidth of its memory, in bytes per second; 0 when unknown.
    public var memoryBandwidth: Int
    /// Expert groups that it shall hold.
    public var assignedGroups: Int
    /// Expert groups that it holds.
    public var loadedGroups: Int
    /// Bytes of experts that it holds.
    public var residentBytes: Int
    /// Its link; nil before the first call.
    public var link: Link?

    /// Collects the facts.
    public init(
      id: Int, name: String, state: State, lostReason: String?, cores: Int, instructionSet: String,
      memoryBudget: Int, memoryBandwidth: Int, assignedGroups: Int, loadedGroups: Int,
      residentBytes: Int, link: Link?
    ) {
      self.id = id
      self.name = name
      self.state = state
      self.lostReason = lostReason
      self.cores = cores
      self.instructionSet = instructionSet
      self.memoryBudget = memoryBudget
      self.memoryBandwidth = memoryBandwidth
      self.assignedGroups = assignedGroups
      self.loadedGroups = loadedGroups
      self.residentBytes = residentBytes
      self.link = link
    }
  }

  /// How a worker is.
  public enum State: String, Sendable, Encodable {
    /// It loads its experts.
    case loading
    /// It answers.
    case ready
    /// It answers, and goes when others hold what it holds.
    case draining
    /// It is gone.
    case lost

    /// Whether it may be asked.
    public var answers: Bool { self == .ready || self == .draining }
  }

  /// The calls of one link.
  public struct Link: Sendable, Encodable {
    /// Dispatch to reply.
    public var roundTrip: Times
    /// Both directions, without the worker's part.
    public var network: Times
    /// Waiting at the worker.
    public var queue: Times
    /// Computing.
    public var compute: Times

    /// Collects the hops.
    public init(roundTrip: Times, network: Times, queue: Times, compute: Times) {
      self.roundTrip = roundTrip
      self.network = network
      self.queue = queue
      self.compute = compute
    }
  }

  /// Many durations, in microseconds.
  public struct Times: Sendable, Encodable {
    /// How many.
    public var count: Int
    /// The median.
    public var p50: Double
    /// What 99 percent do not exceed.
    public var p99: Double
    /// The longest.
    public var max: Double
    /// The mean.
    public var mean: Double

    /// Collects the figures.
    public init(count: Int, p50: Double, p99: Double, max: Double, mean: Double) {
      self.count = count
      self.p50 = p50
      self.p99 = p99
      self.max = max
      self.mean = mean
    }
  }

  /// One layer's experts.
  public struct Layer: Sendable, Encodable {
    /// The layer's index.
    public var layer: Int
    /// How often each expert was used.
    public var uses: [Int]
    /// The workers that hold each group, preferred ones first; no groups when they are here.
    public var holders: [[Int]]

    /// Collects the figures.
    public init(layer: Int, uses: [Int], holders: [[Int]]) {
      self.layer = layer
      self.uses = uses
      self.holders = holders
    }
  }

  /// Where the time of the steps went, added up over all of them.
  public struct StepTime: Sendable, Encodable {
    /// Calls of experts: one per layer and batch.
    public var calls = 0
    /// Token rows in them.
    public var rows = 0
    /// Seconds from one layer's experts to the next's: attention, norms, router.
    public var betweenSeconds = 0.0
    /// Seconds of encoding and sending.
    public var dispatchSeconds = 0.0
    /// Seconds of own work while the experts computed: shared experts.
    public var meanwhileSeconds = 0.0
    /// Seconds of waiting for routed experts, and adding what they send.
    public var combineSeconds = 0.0

    /// Nothing yet.
    public init() {}
  }
}
