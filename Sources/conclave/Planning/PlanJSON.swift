import Kernels
import Planning

/// A plan as a JSON object.
enum PlanJSON {
  static func members(
    _ plan: ClusterPlan, _ model: PlannedModel, _ cluster: ClusterDescription
  ) -> [(String, JSONText)] {
    [
      ("fits", .bool(true)), ("reasons", .array([])), ("model", .string(model.name)),
      ("kvFormat", .string(plan.kvFormat.rawValue)), ("hosts", .array(plan.holdings.map(holding))),
      ("predictedDecodeTokensPerSecond", .number(plan.decodeTokensPerSecond)),
      ("predictedPrefillTokensPerSecond", .number(plan.prefillTokensPerSecond)),
      ("predictedTimeToFirstTokenSeconds", .number(plan.timeToFirstToken)),
      ("position", .integer(plan.position)),
      ("step", step(plan.step)), ("links", links(plan.step, cluster)),
      (
        "batches",
        .array(
          plan.batches.map { batch in
            .object([
              ("sequences", .integer(batch.sequenceCount)),
              ("tokensPerSecond", .number(batch.tokensPerSecond)),
              (
                "costPerMillionTokens", batch.costPerMillionTokens.map(JSONText.number) ?? .null
              ),
            ])
          })
      ),
      ("bottleneck", .string(plan.bottleneck)), ("changes", .array(plan.changes.map(change))),
      ("currency", .string(cluster.currency)),
    ]
  }

  static func members(_ refusal: PlanRefusal, _ model: PlannedModel) -> [(String, JSONText)] {
    [
      ("fits", .bool(false)), ("reasons", .array(refusal.reasons.map(JSONText.string))),
      ("model", .string(model.name)), ("hosts", .array(refusal.holdings.map(holding))),
      ("predictedDecodeTokensPerSecond", .null),
    ]
  }

  private static func holding(_ holding: ClusterPlan.Holding) -> JSONText {
    .object([
      ("name", .string(holding.name)),
      ("role", .string(holding.isCoordinator ? "coordinator" : "worker")),
      ("memoryBytes", .integer(holding.memoryByteCount)),
      ("trunkBytes", .integer(holding.trunkByteCount)),
      ("cacheBytes", .integer(holding.cacheByteCount)),
      ("expertBytes", .integer(holding.expertByteCount)),
      ("groups", .integer(holding.groupCount)),
    ])
  }

  private static func step(_ step: StepTime) -> JSONText {
    .object([
      ("seconds", .number(step.seconds)), ("workersPerCall", .number(step.fanOut)),
      (
        "parts",
        .object(StepTime.Part.allCases.map { ($0.rawValue, .number(step[$0])) })
      ),
    ])
  }

  private static func links(_ step: StepTime, _ cluster: ClusterDescription) -> JSONText {
    .array(
      cluster.workers.indices.map { index in
        .object([
          ("worker", .string(cluster.workers[index].name)),
          ("sentBytesPerToken", .number(step.sentByteCounts[index])),
          ("receivedBytesPerToken", .number(step.receivedByteCounts[index])),
          ("busySecondsPerToken", .number(step.busySeconds[index])),
        ])
      })
  }

  private static func change(_ change: ClusterPlan.Change) -> JSONText {
    .object([
      ("change", .string(change.name)),
      ("decodeTokensPerSecond", .number(change.decodeTokensPerSecond)),
      ("batchTokensPerSecond", .number(change.batchTokensPerSecond)),
      ("prefillTokensPerSecond", .number(change.prefillTokensPerSecond)),
    ])
  }
}
