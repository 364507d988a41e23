internal import DeepSeek
internal import Experts
public import Kernels
public import Placement

/// Plans one model on clusters: what fits where, and how fast it is.
public struct Planner: Sendable {
  /// The model.
  public let model: PlannedModel
  /// What is wanted.
  public let request: PlanRequest
  package let trace: RoutingTrace?

  /// Plans for `request`; with a recording, experts are as popular as it says.
  public init(_ model: PlannedModel, _ request: PlanRequest, trace: RoutingTrace? = nil) {
    self.model = model
    self.request = request
    self.trace = trace
  }

  /// How keys and values are stored.
  public var kvFormat: KVFormat { request.kvFormat ?? model.defaultKVFormat }

  /// Plans one cluster.
  ///
  /// - Throws: `PlanRefusal` with the numbers when something does not fit.
  public func plan(_ cluster: ClusterDescription) throws(PlanRefusal) -> ClusterPlan {
    let (steps, holdings) = try prepare(cluster, kvFormat)
    let position = request.contextLength / 2
    let step = steps.predict(.decode(sequences: 1, after: position))
    let prefill = prefillSeconds(steps)
    let batches = request.batches.map { count in
      let seconds = steps.predict(.decode(sequences: count, after: position)).seconds
      return ClusterPlan.Batch(
        sequenceCount: count, tokensPerSecond: Double(count) / seconds,
        costPerMillionTokens: cluster.pricePerHour.map {
          $0 / 3600 * seconds / Double(count) * 1e6
        })
    }
    return ClusterPlan(
      holdings: holdings, placement: steps.plan, kvFormat: kvFormat, step: step,
      position: position, timeToFirstToken: prefill,
      prefillTokensPerSecond: Double(request.promptTokenCount) / prefill, batches: batches,
      bottleneck: Bottleneck(step, cluster).description, changes: changes(of: cluster))
  }

  /// The model of a cluster's steps, for simulations.
  ///
  /// - Throws: `PlanRefusal` with the numbers when something does not fit.
  public func stepModel(
    of cluster: ClusterDescription, seed: UInt64
  ) throws(PlanRefusal) -> StepModel {
    let (steps, _) = try prepare(cluster, kvFormat)
    return StepModel(
      model, on: cluster, plan: steps.plan, draws: draws, kvFormat: kvFormat, seed: seed)
  }

  private var draws: ExpertDraws? {
    if let trace { return ExpertDraws(model, trace: trace) }
    return ExpertDraws(model)
  }

  func prepare(
    _ cluster: ClusterDescription, _ format: KVFormat
  ) throws(PlanRefusal) -> (StepModel, [ClusterPlan.Holding]) {
    let (placement, reason) = place(cluster)
    let holdings = holdings(cluster, placement, format)
    var reasons = reason.map { [$0] } ?? []
    if let coordinator = holdings.first, coordinator.usedByteCount > coordinator.memoryByteCount {
      reasons.append(MemoryBudget.shortage(coordinator, kvFormat: format, request))
    }
    guard reasons.isEmpty else { throw PlanRefusal(reasons: reasons, holdings: holdings) }
    let steps = StepModel(model, on: cluster, plan: placement, draws: draws, kvFormat: format)
    return (steps, holdings)
  }

  /// The placement as production code makes it, or why there is none.
  private func place(_ cluster: ClusterDescription) -> (PlacementPlan?, String?) {
    guard let experts = model.experts, !cluster.workers.isEmpty else { return (nil, nil) }
    let capacities = Self.capacities(cluster)
    do throws(PlacementError) {
      let plan = try PlacementPlan.balanced(
        experts, over: capacities, epoch: 0, replicas: request.replicaCount)
      return (trace.map { plan.tuned(experts, over: capacities, for: $0) } ?? plan, nil)
    } catch {
      return (nil, error.description)
    }
  }

  /// The workers as placement sees them, each under its index.
  private static func capacities(_ cluster: ClusterDescription) -> [WorkerCapacity] {
    cluster.workers.enumerated().map { index, worker in
      WorkerCapacity(
        worker: WorkerID(UInt32(index)), memoryByteCount: worker.memoryByteCount,
        bytesPerSecond: worker.bytesPerSecond)
    }
  }

  /// What production code makes of the loss of some workers.
  ///
  /// - Parameters:
  ///   - steps: The cluster before, all of whose workers keep their indices.
  ///   - lost: Indices of the workers that are gone.
  /// - Returns: The cluster after, and the most bytes that one worker has to load before every
  ///   group has a holder again; nil when those that are left have no room for that.
  public func repaired(
    _ steps: StepModel, without lost: Set<Int>
  ) -> (steps: StepModel, loadedByteCount: Int)? {
    guard let experts = model.experts, let plan = steps.plan else { return (steps, 0) }
    let left = Self.capacities(steps.cluster).filter { !lost.contains(Int($0.worker.rawValue)) }
    let repaired = plan.repaired(
      experts, over: left, epoch: plan.epoch + 1, replicas: request.replicaCount)
    guard repaired.isComplete else { return nil }
    let gone = Set(lost.map { WorkerID(UInt32($0)) })
    var loaded: [WorkerID: Int] = [:]
    for unit in plan.units where gone.isSuperset(of: plan[unit.layer, unit.group]) {
      guard let holder = repaired[unit.layer, unit.group].first else { continue }
      loaded[holder, default: 0] += experts.byteCount(unit.layer, unit.group)
    }
    let changed = StepModel(
      model, on: steps.cluster, plan: repaired, draws: steps.draws, kvFormat: steps.kvFormat,
      seed: steps.seed)
    return (changed, loaded.values.max() ?? 0)
  }

  private func holdings(
    _ cluster: ClusterDescription, _ placement: PlacementPlan?, _ format: KVFormat
  ) -> [ClusterPlan.Holding] {
    let isLocal = cluster.workers.isEmpty
    let cache =
      request.contextLength * request.sequenceCount * model.cacheBytesPerToken(format)
    let coordinator = ClusterPlan.Holding(
      name: cluster.coordinator.name, isCoordinator: true,
      memoryByteCount: cluster.coordinator.memoryByteCount,
      trunkByteCount: model.trunkByteCount + MemoryBudget.overhead(model, request),
      cacheByteCount: cache, expertByteCount: isLocal ? model.experts?.byteCount ?? 0 : 0,
      groupCount: isLocal ? model.mixtureLayerCount * (model.experts?.groupCount ?? 0) : 0)
    return [coordinator]
      + cluster.workers.enumerated().map { index, worker in
        let units = placement?.units(of: WorkerID(UInt32(index))) ?? []
        let bytes = units.reduce(0) { $0 + (model.experts?.byteCount($1.layer, $1.group) ?? 0) }
        return ClusterPlan.Holding(
          name: worker.name, isCoordinator: false, memoryByteCount: worker.memoryByteCount,
          trunkByteCount: 0, cacheByteCount: 0, expertByteCount: bytes, groupCount: units.count)
      }
  }

  /// Seconds from a prompt to its first token.
  func prefillSeconds(_ steps: StepModel, inTwoParts: Bool = false) -> Double {
    var seconds = 0.0
    for start in stride(from: 0, to: request.promptTokenCount, by: request.stepTokenCount) {
      let count = min(request.stepTokenCount, request.promptTokenCount - start)
      let isLast = start + count == request.promptTokenCount
      let whole = steps.predict(.prefill(count, after: start, isLast: isLast)).seconds
      let half = count - count / 2
      seconds +=
        inTwoParts && half < count
        ? min(
          whole,
          steps.secondsInTwoParts(
            .prefill(half, after: start, isLast: false),
            .prefill(count - half, after: start + half, isLast: isLast))) : whole
    }
    return seconds
  }
}
