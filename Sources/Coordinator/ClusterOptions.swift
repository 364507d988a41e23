public import Logging
public import Placement
public import Telemetry
public import Transport

/// How a coordinator listens, waits and gives up.
public struct ClusterOptions: Sendable {
  /// The control endpoint to listen on; port `*` is any free one.
  public var listen: String
  /// The port of the data endpoint, on the same host; nil is any free one.
  public var dataPort: Int?
  /// Workers to wait for.
  public var expectedWorkers: Int
  /// The largest number of rows that one dispatch carries.
  public var maxRows = 512
  /// How long to wait for workers to join; nil is for ever.
  public var joinTimeout: Duration?
  /// Workers that hold each expert group, as far as there is memory.
  public var replicas = 1
  /// Recorded tokens of this model, for which groups are placed; nil: all experts count alike.
  public var routingTrace: RoutingTrace?
  /// How often groups may be placed anew for recent tokens, while serving; nil: never.
  public var rebalanceInterval: Duration?
  /// The share of calls that two holders compute, so that their answers can be compared.
  public var verifyFraction = 0.0
  /// How long a combine waits for a worker before it counts as lost.
  public var combineTimeout: Duration = .seconds(30)
  /// How long calls wait for groups that no worker holds any more, before they fail.
  public var recoveryTimeout: Duration = .seconds(60)
  /// How often workers report progress.
  public var progressInterval: Duration = .milliseconds(500)
  /// Silence after which a worker is lost.
  public var silenceLimit: Duration = .seconds(10)
  /// Whom to let in.
  public var security = ClusterSecurity.thisMachine
  /// Whether workers end with this coordinator, rather than wait for the next.
  public var workersEndWithIt = false
  /// How long the engine's thread polls for replies before it sleeps.
  public var polling: Duration = .zero
  /// Beats whenever the engine's thread looks after a call: while it waits, it still gets on.
  public var heartbeat: Heartbeat?
  /// Called once when a newer coordinator has taken over the workers: this process is to end.
  public var onFenced: (@Sendable () -> Void)?
  /// Where lines for people go.
  public var logger: Logger

  /// Options for `expectedWorkers` that join at `listen`; the rest has defaults.
  public init(listen: String, expectedWorkers: Int, logger: Logger) {
    self.listen = listen
    self.expectedWorkers = expectedWorkers
    self.logger = logger
  }
}

/// Whom a coordinator lets in.
public enum ClusterSecurity: Sendable {
  /// Everybody, at an address that only this machine reaches; others are refused.
  case thisMachine
  /// Workers that prove a key of the list; the pair is the coordinator's.
  case keys(KeyPair, AllowList)
  /// Everybody, at any address.
  case insecure

  /// What the sockets need.
  var socketSecurity: SocketSecurity {
    switch self {
    case .keys(let pair, let list): .server(pair, list)
    case .thisMachine, .insecure: .none
    }
  }

  /// The list of those that are let in; nil when everybody is.
  var allowList: AllowList? {
    guard case .keys(_, let list) = self else { return nil }
    return list
  }

  /// Fails when other machines could join without a key.
  func check(_ endpoint: String) throws(ClusterError) {
    guard case .thisMachine = self, !Loopback.contains(endpoint) else { return }
    throw .endpoint(
      "\(endpoint) is open to other machines, and nobody needs a key to join; give keys to the"
        + " machines (`conclave keys --help` says how), or pass --insecure-cluster if that is meant"
    )
  }

  /// Proves that strangers are turned away at an address.
  func test(_ endpoint: String, _ context: TransportContext) throws {
    guard case .keys(let pair, let list) = self else { return }
    do {
      try AccessCheck.run(context, endpoint: endpoint, pair: pair, allowList: list)
    } catch {
      throw ClusterError.endpoint("\(error)")
    }
  }
}
