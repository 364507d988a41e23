internal import DeepSeek
public import Kernels
public import Placement

/// Predicts how long a step takes in a cluster: pure values, no I/O and no clock.
///
/// A step is the time of the trunk, and for every layer with experts the longer one of two: the
/// shared experts, or a round trip, the bytes on the links, and the slowest worker's computing.
/// Experts are drawn with a fixed seed, so that equal questions have equal answers.
public struct StepModel: Sendable {
  let model: PlannedModel
  let cluster: ClusterDescription
  /// Which worker holds which group; nil when there is no worker.
  public let plan: PlacementPlan?
  let placement: ResolvedPlacement
  let draws: ExpertDraws?
  let kvFormat: KVFormat
  let seed: UInt64

  /// Describes a cluster that runs `model`.
  ///
  /// - Parameters:
  ///   - model: What is run.
  ///   - cluster: Where.
  ///   - plan: Which worker holds which group, worker n being `cluster.workers[n]`; nil when the
  ///     coordinator holds all experts, or there are none.
  ///   - draws: How tokens choose experts; nil for a dense model.
  ///   - kvFormat: How keys and values are stored.
  ///   - seed: Another seed draws other experts.
  public init(
    _ model: PlannedModel, on cluster: ClusterDescription, plan: PlacementPlan?,
    draws: ExpertDraws?, kvFormat: KVFormat, seed: UInt64 = 1
  ) {
    self.model = model
    self.cluster = cluster
    self.plan = plan
    placement = ResolvedPlacement(model, cluster, plan)
    self.draws = draws
    self.kvFormat = kvFormat
    self.seed = seed
  }

  /// The time of a step, averaged over many choices of experts.
  public func predict(_ step: StepShape) -> StepTime {
    var random = SeededRandom(seed: seed)
    let layers = model.mixtureLayerCount
    // Small steps differ most by which experts are chosen; large ones cost most to draw.
    let samples = max(1, min(16, 2048 / max(1, step.rowCount * max(layers, 1) / 8)))
    var time = trunk(step)
    var scratch = CallScratch(self)
    for layer in 0..<layers {
      for _ in 0..<samples {
        let call = call(layer, step, random: &random, scratch: &scratch) { _, _ in 0 }
        time.add(call, share: 1 / Double(samples), layers: layers)
      }
    }
    return time
  }

  /// The time of a step with one choice of experts.
  ///
  /// - Parameters:
  ///   - step: What is run.
  ///   - random: Where the choice comes from.
  ///   - delay: Seconds that the reply of a worker is late by, beyond its link's round trip.
  /// - Returns: Where its time goes.
  public func sample(
    _ step: StepShape, random: inout SeededRandom,
    delay: (_ worker: Int, _ random: inout SeededRandom) -> Double
  ) -> StepTime {
    let layers = model.mixtureLayerCount
    var time = trunk(step)
    var scratch = CallScratch(self)
    for layer in 0..<layers {
      let call = call(layer, step, random: &random, scratch: &scratch, delay: delay)
      time.add(call, share: 1, layers: layers)
    }
    return time
  }

  /// Everything but the experts and what happens meanwhile.
  func trunk(_ step: StepShape) -> StepTime {
    let host = cluster.coordinator
    let rows = Double(step.rowCount)
    var time = StepTime(workers: cluster.workers.count)
    func add(_ part: StepTime.Part, _ work: WorkTime) {
      time[part] += work.seconds
      time.coordinatorMemorySeconds += work.memorySeconds
    }
    add(.attentionProjections, host.time(model[.attention], rows: rows))
    add(.dense, host.time(model[.denseLayers], rows: rows))
    add(.routers, host.time(model[.routers], rows: rows))
    if step.logitRowCount > 0 {
      add(.head, host.time(model[.head], rows: Double(step.logitRowCount)))
    }
    add(.attention, attention(step))
    time[.rest] =
      Double(model.layerCount) * (KernelCosts.layerSeconds + rows * KernelCosts.rowSeconds)
      + Double(step.logitRowCount) * KernelCosts.tokenSeconds
    return time
  }

  private func attention(_ step: StepShape) -> WorkTime {
    let host = cluster.coordinator
    let bytes = Double(step.cachedPositionCount) * Double(model.cacheBytesPerToken(kvFormat))
    let memory = bytes / (host.bytesPerSecond * KernelCosts.bandwidthShare)
    let heads = Double(model.attention.headCount * model.layerCount)
    let compute =
      Double(step.attendedPositionCount) * heads * host.attentionSeconds
      * (model.attention.productsPerHead / Self.measuredProducts) * kvFormat.attentionCost
    return memory >= compute
      ? WorkTime(seconds: memory, memorySeconds: memory) : WorkTime(seconds: compute)
  }

  /// Products of the latent attention that hosts are measured with, for a head and a position.
  private static let measuredProducts = 1088.0
}

extension AttentionDesign {
  /// Products of one head with one position.
  fileprivate var productsPerHead: Double {
    switch self {
    case .latent(let shape): Double(2 * shape.kvLoraRank + shape.ropeHeadSize)
    case .groupedQuery(let shape): Double(2 * shape.headSize)
    }
  }
}

extension KVFormat {
  /// The time of one head and position, relative to halves; see the table in `Sources/README.md`.
  fileprivate var attentionCost: Double {
    switch self {
    case .float32: 1.1
    case .float16: 1
    case .int8: 0.5
    }
  }
}

extension StepTime {
  /// Adds one call of one layer, `share` of which counts.
  fileprivate mutating func add(_ call: CallTime, share: Double, layers: Int) {
    self[.shared] += call.shared * share
    self[.experts] += call.compute * share
    self[.transfer] += call.transfer * share
    self[.roundTrips] += call.roundTrip * share
    self[.software] += call.software * share
    coordinatorMemorySeconds += call.coordinatorMemory * share
    workerMemorySeconds += call.workerMemory * share
    fanOut += Double(call.shares.count) * share / Double(max(layers, 1))
    for part in call.shares {
      sentByteCounts[part.worker] += part.sent * share
      receivedByteCounts[part.worker] += part.received * share
      busySeconds[part.worker] += part.busy * share
    }
  }
}
