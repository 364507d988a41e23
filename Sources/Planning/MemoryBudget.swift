internal import DeepSeek
internal import Experts
internal import Kernels
internal import Placement

/// What the coordinator needs besides weights and cache.
enum MemoryBudget {
  /// The program itself, its buffers for files and its threads, as measured while V2-Lite read a prompt.
  private static let processByteCount = 224 << 20

  /// Bytes for the process and for the intermediate results of the largest step.
  static func overhead(_ model: PlannedModel, _ request: PlanRequest) -> Int {
    let heads = model.attention.headCount
    let perHead: Int
    switch model.attention {
    case .latent(let shape): perHead = 2 * shape.kvLoraRank + 2 * shape.queryHeadSize
    case .groupedQuery(let shape): perHead = 3 * shape.headSize
    }
    // Queries and outputs of all heads, a few rows of the residual stream, experts' inner rows.
    let experts = (model.experts?.expertIntermediateSize ?? 0) * 4
    let elements = heads * perHead + 8 * model.hiddenSize + experts
    return processByteCount + request.stepTokenCount * elements * 4
      + max(request.batches.max() ?? 1, 1) * model.vocabularySize * 4
  }

  /// Why the coordinator has too little memory.
  static func shortage(
    _ holding: ClusterPlan.Holding, kvFormat: KVFormat, _ request: PlanRequest
  ) -> String {
    let experts =
      holding.expertByteCount > 0
      ? ", the routed experts \(binarySize(holding.expertByteCount))" : ""
    let remedy =
      holding.expertByteCount > 0
      ? "add workers" : "use a coordinator with more memory, or a shorter --context"
    return "the coordinator \(holding.name) needs \(binarySize(holding.usedByteCount)) (the trunk "
      + "\(binarySize(holding.trunkByteCount))\(experts), keys and values of "
      + "\(request.sequenceCount) x \(request.contextLength) tokens as \(kvFormat.rawValue) "
      + "\(binarySize(holding.cacheByteCount))) and has \(binarySize(holding.memoryByteCount)); "
      + remedy
  }
}
