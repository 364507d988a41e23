import Experts
import Kernels
import Placement
import Planning
import Testing

@Suite struct StepModelTests {
  private func steps(
    _ model: PlannedModel, _ cluster: ClusterDescription
  ) throws -> StepModel {
    try Planner(model, Sample.request()).stepModel(of: cluster, seed: 1)
  }

  @Test func `one machine reads every active weight once per token`() throws {
    let model = try Sample.model(layers: 8)
    let cluster = ClusterDescription(coordinator: Sample.host("a"), workers: [])
    let step = try steps(model, cluster).predict(.decode(sequences: 1, after: 0))
    // 0.6 GB at 80 GB/s and 95 % of them, see the table in docs/performance.md.
    #expect(abs(step.seconds - 0.604 / 76) < 0.12 * step.seconds)
    #expect(step[.software] == 0 && step[.transfer] == 0 && step.fanOut == 0)
  }

  @Test(arguments: [1, 4, 16, 64])
  func `distinct experts are as many as chance says`(rows: Int) throws {
    let model = try Sample.model(layers: 8)
    let experts = try #require(model.experts)
    var cluster = Sample.cluster(workers: 1)
    cluster.workers[0].integerProductsPerSecond = 1e18  // so that only bytes count
    let step = try steps(model, cluster).predict(.decode(sequences: rows, after: 0))
    let expected = 64 * (1 - pow(1 - 6.0 / 64, rows))
    let bytes = step.busySeconds[0] * 80e9 * 0.95
    let perExpert = Double(experts.byteCount) / 64
    #expect(abs(bytes / perExpert - expected) < 0.02 * expected)
  }

  @Test func `round trips add up, and shared experts hide what they can`() throws {
    let model = try Sample.model("deepseek-v2")
    func seconds(_ roundTrip: Double) throws -> StepTime {
      try steps(model, Sample.cluster(workers: 4, gigabits: 1000, roundTrip: roundTrip))
        .predict(.decode(sequences: 1, after: 0))
    }
    let (near, far) = (try seconds(0), try seconds(5e-3))
    #expect(near[.roundTrips] == 0)
    #expect(abs(far.seconds - near.seconds - 59 * 5e-3) < 59 * 1e-3)
    #expect(far.seconds - near.seconds <= 59 * 5e-3 + 1e-9)
  }

  @Test func `a token of DeepSeek-V2 is sent to three groups at most`() throws {
    let model = try Sample.model("deepseek-v2")
    let step = try steps(model, Sample.cluster(workers: 8))
      .predict(.decode(sequences: 1, after: 0))
    #expect(step.fanOut > 2 && step.fanOut <= 3)
  }

  @Test func `bytes on links are those of rows and partial sums`() throws {
    let model = try Sample.model("deepseek-v2", layers: 2)
    let step = try steps(model, Sample.cluster(workers: 1))
      .predict(.decode(sequences: 1, after: 0))
    // One layer: one row of 5120 codes with a scale for 32; at most three sums of 16-bit blocks.
    let row = 5120 + 5120 / 32 * 2
    let sum = 5120 * 2 + 5120 / 32 * 4
    #expect(step.sentByteCounts[0] > Double(row) && step.sentByteCounts[0] < Double(row + 400))
    #expect(step.receivedByteCounts[0] > 2 * Double(sum))
    #expect(step.receivedByteCounts[0] < 3 * Double(sum) + 400)
  }

  @Test func `processes of one machine share its memory`() throws {
    let model = try Sample.model(layers: 8)
    var apart = Sample.cluster(workers: 2, gigabits: 100, roundTrip: 0)
    for index in apart.workers.indices { apart.workers[index].link.softwareSeconds = 0 }
    var together = apart
    together.coordinator.machine = "m"
    for index in together.workers.indices { together.workers[index].machine = "m" }
    let two = try steps(model, apart).predict(.decode(sequences: 1, after: 0))
    let one = try steps(model, together).predict(.decode(sequences: 1, after: 0))
    #expect(one[.experts] > 1.5 * two[.experts])
  }

  @Test func `popular experts make a batch cheaper`() throws {
    let model = try Sample.model(layers: 8)
    var trace = try RoutingTrace(
      firstLayer: 1, layerCount: 7, expertCount: 64, expertsPerToken: 6)
    for row in 0..<100 {
      try trace.append((0..<7 * 6).map { UInt16($0 % 6 + row % 2 * 6) })
    }
    let cluster = ClusterDescription(coordinator: Sample.host("a"), workers: [])
    let step = StepShape.decode(sequences: 16, after: 0)
    let request = Sample.request()
    let even = try Planner(model, request).stepModel(of: cluster, seed: 1).predict(step)
    let skewed = try Planner(model, request, trace: trace).stepModel(of: cluster, seed: 1)
      .predict(step)
    #expect(skewed[.experts] < 0.3 * even[.experts])
  }

  @Test func `a late reply is waited for`() throws {
    let steps = try steps(Sample.model(layers: 8), Sample.cluster(workers: 2))
    let step = StepShape.decode(sequences: 1, after: 0)
    var random = SeededRandom(seed: 5)
    let usual = steps.sample(step, random: &random) { _, _ in 0 }
    random = SeededRandom(seed: 5)
    let late = steps.sample(step, random: &random) { _, _ in 0.1 }
    #expect(abs(late.seconds - usual.seconds - 0.7) < 0.01)
  }
}

private func pow(_ base: Double, _ exponent: Int) -> Double {
  (0..<exponent).reduce(1) { product, _ in product * base }
}
