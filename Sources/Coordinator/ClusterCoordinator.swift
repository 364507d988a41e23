public import Experts
import Foundation
public import Kernels
import Logging
package import Messages
import ModelFiles
public import Placement
import Synchronization
import Telemetry
import Transport

/// The coordinator's side of a cluster: listens, gathers workers, and then lends their experts.
///
/// Made and gathered by one thread; afterwards the control socket has a thread of its own, and
/// `experts` belongs to the engine's.
public final class ClusterCoordinator: @unchecked Sendable {  // see above; `control` is handed over
  private let context: TransportContext
  let options: ClusterOptions
  private var model: ServedModel
  private let kernels: Kernels
  let control: ControlPlane
  private let dataRouter: RouterSocket
  private let health = ClusterHealth()
  private let thread = Mutex<ControlThread?>(nil)
  private var attached: [Incarnation: RoutingID] = [:]
  /// Measures the links, between calls of the thread that uses `experts`; nil until gathered.
  public private(set) var prober: LinkProber?

  /// The routed experts on the workers; nil before `gather`, and for a dense model.
  public private(set) var experts: RemoteExperts?
  /// Who shall hold what; nil before all workers have joined, and for a dense model.
  public var plan: PlacementPlan? { health.plan }

  /// Starts to listen for workers.
  ///
  /// - Throws: `TransportError` when the address cannot be used, `ClusterError` when strangers could
  ///   join there.
  public init(_ model: ServedModel, kernels: Kernels, options: ClusterOptions) throws {
    try options.security.check(options.listen)
    self.options = options
    self.model = model
    self.kernels = kernels
    let security = options.security.socketSecurity
    context = try TransportContext(allowList: options.security.allowList)
    let geometry = model.catalog?.geometry
    let router = try RouterSocket(
      context, bind: options.listen, .control.secured(by: security))
    let host = router.endpoint.lastIndex(of: ":").map { router.endpoint[..<$0] } ?? ""
    let limits = SocketOptions.data(maxFrameByteCount: Self.frameLimit(geometry, options))
      .polled(for: options.polling)
    dataRouter = try RouterSocket(
      context, bind: "\(host):\(options.dataPort.map(String.init) ?? "*")",
      limits.secured(by: security))
    for endpoint in [router.endpoint, dataRouter.endpoint] {
      try options.security.test(endpoint, context)
    }
    guard let dataPort = dataRouter.port else {
      throw ClusterError.endpoint("\(options.listen) is not a TCP address; use tcp://HOST:PORT")
    }
    var rules = Membership.Rules(
      expectedWorkers: options.expectedWorkers, model: model.digest,
      numericsProfile: kernels.numericsProfile, geometry: geometry, dataPort: dataPort,
      progressInterval: options.progressInterval, silenceLimit: options.silenceLimit,
      replicas: options.replicas)
    rules.routingTrace = options.routingTrace
    rules.rebalanceInterval = options.rebalanceInterval
    rules.term = CoordinatorTerm.now
    control = ControlPlane(
      router, rules: rules, source: model.catalog, health: health,
      allowList: options.security.allowList, watches: [router.watch, dataRouter.watch],
      onFenced: options.onFenced, logger: options.logger)
  }

  /// Bytes of the largest frame that a worker may send: partial sums, or an echo.
  private static func frameLimit(_ geometry: ExpertGeometry?, _ options: ClusterOptions) -> Int64 {
    let largest = geometry.map { geometry in
      let row = geometry.layers.map(geometry.replyRowByteCount).max() ?? 0
      // Shared experts may come to workers later.
      return options.maxRows
        * (geometry.shape.maxGroupsPerToken * row + geometry.sharedReplyRowByteCount)
    }
    return Int64(max(largest ?? 0, WireLimits.probeByteCount) + 64 << 10)
  }

  /// The control endpoint that workers join, with the port that was chosen.
  public var endpoint: String { control.endpoint }

  /// The data endpoint, as bound.
  package var dataEndpoint: String { dataRouter.endpoint }

  /// The workers as last known; from any thread.
  public var workers: [WorkerSummary] { health.summaries }

  /// What was measured on the links so far; from any thread once `gather` has returned.
  public var latencies: [LinkLatencies] { experts?.latencies ?? [] }

  /// Messages to workers so far, and those that asked another one because one was late; from any thread
  /// once `gather` has returned.
  public var messageCounts: (all: Int, hedges: Int) { experts?.messageCounts ?? (0, 0) }

  /// The workers that have loaded each routed group of a layer, preferred ones first; from any thread.
  ///
  /// Empty before `gather` has returned, and for a layer without routed experts.
  public func holders(of layer: LayerIndex) -> [[WorkerID]] {
    guard let geometry = model.catalog?.geometry, geometry.shape.contains(layer) else { return [] }
    let holders = health.roster.holders
    let start = (layer.rawValue - geometry.moeLayers.lowerBound) * geometry.placedGroupCount
    guard start + geometry.placedGroupCount <= holders.count else { return [] }
    return Array(holders[start..<start + geometry.groupCount])
  }

  /// Makes calls fail at once that wait for lost workers, since nobody needs them any more; from any
  /// thread.
  public func stopWaiting() { health.end() }

  /// Moves away what a worker holds, then lets it go; from any thread.
  public func drain(_ worker: WorkerID) { health.drain(worker) }

  deinit { shutdown() }
}

// MARK: - Gathering

extension ClusterCoordinator {
  /// Lets workers hold the experts of `catalog`, of the same model, instead; before `gather`.
  public func serve(_ catalog: ExpertCatalog) {
    model.catalog = catalog
    control.replace(catalog)
  }

  /// Waits until every expected worker has joined, loaded its experts and connected.
  ///
  /// - Parameters:
  ///   - interruption: Asked several times a second for an error that makes waiting pointless.
  ///   - progress: Told the state of the workers several times a second.
  /// - Throws: `ClusterError` that says which worker failed, or that their memory is too small.
  public func gather(
    interruption: () -> (any Error)? = { nil }, progress: ([WorkerSummary]) -> Void = { _ in }
  ) throws {
    let start = MonotonicTime.now
    var nextReport = start
    while true {
      try step()
      if let error = interruption() { throw error }
      if case .failed(let error) = control.membership.phase {
        try letRefusalsOut()
        throw error
      }
      if control.membership.phase == .serving, let links = links() { return serve(links) }
      let now = MonotonicTime.now
      if now >= nextReport {
        progress(health.summaries)
        nextReport = now + .milliseconds(200)
      }
      try checkJoinTimeout(since: start, now)
    }
  }

  /// Takes in at most one message of each socket.
  package func step() throws {
    try control.step(timeout: .milliseconds(10))
    try takeAttachments()
  }

  /// Whether that worker's data connection is known.
  package func isAttached(_ incarnation: Incarnation) -> Bool { attached[incarnation] != nil }

  /// Serves the control socket a moment longer, so that workers hear why before it closes.
  private func letRefusalsOut() throws {
    let end = MonotonicTime.now + .milliseconds(250)
    while MonotonicTime.now < end { try control.step(timeout: .milliseconds(10)) }
  }

  private func checkJoinTimeout(since start: Duration, _ now: Duration) throws {
    let membership = control.membership
    guard membership.phase == .gathering, let limit = options.joinTimeout, now - start > limit
    else { return }
    throw ClusterError.tooFewWorkers(
      joined: membership.members.count, expected: options.expectedWorkers, within: limit)
  }

  private func takeAttachments() throws {
    var message = Multipart()
    guard let sender = try dataRouter.receive(&message, timeout: .zero) else { return }
    let socket = DataSocket(dataRouter, model: model.digest.short)
    guard let incarnation = socket.attachment(message),
      control.isKnown(incarnation, withKeyOf: sender), attached[incarnation] == nil
    else { return }
    attached[incarnation] = sender
  }

  /// The links to all workers; nil while one is missing.
  private func links() -> [WorkerLink]? {
    var links: [WorkerLink] = []
    for worker in control.membership.roster.workers {
      guard let peer = attached[worker.incarnation] else { return nil }
      links.append(WorkerLink(worker, peer: peer))
    }
    return links
  }

  private func serve(_ links: [WorkerLink]) {
    let socket = DataSocket(dataRouter, model: model.digest.short)
    if let catalog = model.catalog {
      experts = RemoteExperts(
        socket, attached: attached, catalog: catalog, kernels: kernels, health: health,
        options: options)
    }
    prober = LinkProber(
      socket, links: experts?.links ?? links, isEncrypted: options.security.allowList != nil,
      timeout: options.combineTimeout)
    let running = ControlThread(control, options)
    thread.withLock { $0 = running }
  }

  /// Tells the workers that this cluster ends, and ends its control thread.
  public func shutdown() {
    let running = thread.withLock { running in
      defer { running = nil }
      return running
    }
    if let running {
      running.stop()
    } else {
      control.sayGoodbye(exit: options.workersEndWithIt, text: "the coordinator ends")
    }
  }
}

/// The thread that keeps the control socket served while the engine computes.
private final class ControlThread: Sendable {
  private let isStopped = Atomic<Bool>(false)
  private let ended = DispatchSemaphore(value: 0)

  init(_ control: ControlPlane, _ options: ClusterOptions) {
    let thread = Thread { [self] in
      while !isStopped.load(ordering: .relaxed) {
        do {
          try control.step(timeout: .milliseconds(20))
        } catch {
          options.logger.error("The control socket failed: \(error)")
          break
        }
      }
      control.sayGoodbye(exit: options.workersEndWithIt, text: "the coordinator ends")
      ended.signal()
    }
    thread.name = "control"
    thread.start()
  }

  /// Ends the thread and waits for it.
  func stop() {
    isStopped.store(true, ordering: .relaxed)
    ended.wait()
  }
}
