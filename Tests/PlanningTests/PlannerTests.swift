import Experts
import Kernels
import Placement
import Planning
import Synthesis
import Testing

@Suite struct PlannerTests {
  @Test func `a model that is only a name has the sizes of its file`() throws {
    let model = try Sample.model()
    let geometry = try #require(Geometry.named("deepseek-v2-lite"))
    let experts = try #require(model.experts)
    let file = geometry.fileByteCount(.q4KM)
    let weights = model.trunkByteCount + experts.byteCount
    // What is left is the header with the vocabulary.
    #expect(weights < file && Double(file - weights) < 0.01 * Double(file))
    #expect(model.mixtureLayerCount == 26 && experts.expertCount == 64)
    #expect(model.cacheBytesPerToken(.float16) == 27 * 576 * 2)
    #expect(model.defaultKVFormat == .float16)
    #expect(try Sample.model(quantization: .bf16).defaultKVFormat == .float32)
  }

  @Test func `every expert is on one machine with room for it`() throws {
    let model = try Sample.model("deepseek-v2")
    let plan = try Planner(model, Sample.request()).plan(Sample.cluster(workers: 4))
    let experts = try #require(model.experts)
    #expect(plan.holdings.reduce(0) { $0 + $1.expertByteCount } == experts.byteCount)
    #expect(plan.holdings.allSatisfy { $0.usedByteCount <= $0.memoryByteCount })
    #expect(plan.placement?.isComplete == true)
    #expect(plan.holdings.map(\.name) == ["c", "w0", "w1", "w2", "w3"])
    // The parts are the whole, and every worker has something to do.
    let parts = StepTime.Part.allCases.reduce(0) { $0 + plan.step[$1] }
    #expect(abs(parts - plan.step.seconds) < 1e-12)
    #expect(plan.step.busySeconds.allSatisfy { $0 > 0 })
  }

  @Test func `what does not fit is refused with the numbers`() throws {
    let planner = Planner(try Sample.model("deepseek-v2"), Sample.request())
    let small = #expect(throws: PlanRefusal.self) {
      try planner.plan(Sample.cluster(workers: 1))
    }
    #expect(
      small?.description.hasPrefix(
        "the model does not fit: the routed experts need 125.") == true,
      "\(small?.description ?? "")")
    #expect(small?.description.contains("1 worker offers 64.00 GiB") == true)
    #expect(small?.holdings.first?.isCoordinator == true)
    var cluster = Sample.cluster(workers: 4)
    cluster.coordinator.memoryByteCount = 4 << 30
    let trunk = #expect(throws: PlanRefusal.self) { try planner.plan(cluster) }
    #expect(trunk?.description.contains("and has 4.00 GiB") == true)
    #expect(trunk?.reasons.count == 1)
    let alone = #expect(throws: PlanRefusal.self) {
      try planner.plan(Sample.cluster(workers: 0))
    }
    #expect(alone?.description.contains("add workers") == true)
  }

  @Test func `long contexts of many sequences are counted`() throws {
    let model = try Sample.model("deepseek-v2")
    var request = Sample.request(context: 128_000, sequences: 16)
    let cluster = Sample.cluster(workers: 4)
    #expect(throws: PlanRefusal.self) { try Planner(model, request).plan(cluster) }
    request.sequenceCount = 4
    let plan = try Planner(model, request).plan(cluster)
    #expect(
      plan.holdings[0].cacheByteCount == 4 * 128_000 * model.cacheBytesPerToken(.float16))
    request.kvFormat = .int8
    let small = try Planner(model, request).plan(cluster)
    #expect(small.holdings[0].cacheByteCount < plan.holdings[0].cacheByteCount * 54 / 100)
  }

  @Test func `equal questions have equal answers`() throws {
    let planner = Planner(try Sample.model(layers: 8), Sample.request())
    let cluster = Sample.cluster(workers: 3)
    #expect(try planner.plan(cluster).step == planner.plan(cluster).step)
  }

  @Test func `a dense model needs nobody else`() throws {
    let model = try Sample.model("deepseek-llm-7b")
    let plan = try Planner(model, Sample.request(context: 4096)).plan(Sample.cluster(workers: 2))
    #expect(plan.placement == nil && plan.step.fanOut == 0)
    #expect(plan.step[.experts] == 0 && plan.step[.roundTrips] == 0)
  }

  @Test func `prices become costs`() throws {
    let model = try Sample.model(layers: 8)
    var cluster = Sample.cluster(workers: 2)
    let planner = Planner(model, Sample.request())
    #expect(try planner.plan(cluster).batches.allSatisfy { $0.costPerMillionTokens == nil })
    cluster.coordinator.pricePerHour = 1
    cluster.workers[0].watts = 500
    cluster.pricePerKilowattHour = 0.4
    let plan = try planner.plan(cluster)
    let batch = try #require(plan.batches.first)
    let cost = try #require(batch.costPerMillionTokens)
    #expect(abs(cost - 1.2 / 3600 * 1e6 / batch.tokensPerSecond) < 1e-9)
  }

  @Test func `parts hide work behind work, and drafts hide distance`() throws {
    let planner = Planner(try Sample.model(layers: 8), Sample.request())
    func gains(roundTrip: Double) throws -> (overlap: Double, prompt: Double, drafts: Double) {
      let plan = try planner.plan(
        Sample.cluster(workers: 3, gigabits: 10, roundTrip: roundTrip))
      let many = try #require(plan.batches.max { $0.sequenceCount < $1.sequenceCount })
      let overlap = try #require(plan.changes.first { $0.name.contains("--overlap") })
      let drafts = try #require(plan.changes.first { $0.name.contains("--speculate") })
      #expect(overlap.decodeTokensPerSecond == plan.decodeTokensPerSecond)
      return (
        overlap.batchTokensPerSecond / many.tokensPerSecond,
        overlap.prefillTokensPerSecond / plan.prefillTokensPerSecond,
        drafts.decodeTokensPerSecond / plan.decodeTokensPerSecond
      )
    }
    let near = try gains(roundTrip: 20e-6)
    let far = try gains(roundTrip: 20e-3)
    for gain in [near.overlap, near.prompt, far.overlap, far.prompt] {
      #expect(gain >= 1 && gain < 2)
    }
    // Workers compute while the trunk does; a distance that both parts wait for stays.
    #expect(near.prompt > 1.05)
    // Three rows in one set of round trips give 1.75 tokens.
    #expect(far.drafts > near.drafts && far.drafts > 1.6 && far.drafts < 1.75)
    let alone = try planner.plan(Sample.cluster(workers: 0))
    #expect(!alone.changes.contains { $0.name.contains("--overlap") })
  }

  @Test func `moving shared experts helps a slow coordinator with near workers, and no other`()
    throws
  {
    let planner = Planner(try Sample.model(layers: 8), Sample.request())
    func gain(coordinator gigabytesPerSecond: Double, roundTrip: Double) throws -> Double {
      var cluster = Sample.cluster(workers: 4, gigabits: 10, roundTrip: roundTrip)
      cluster.coordinator.bytesPerSecond = gigabytesPerSecond * 1e9
      let plan = try planner.plan(cluster)
      let moved = try #require(plan.changes.first { $0.name.contains("--shared-experts workers") })
      return moved.decodeTokensPerSecond / plan.decodeTokensPerSecond
    }
    #expect(try gain(coordinator: 10, roundTrip: 20e-6) > 1.1)
    #expect(try gain(coordinator: 80, roundTrip: 2e-3) <= 1)
    let alone = try planner.plan(Sample.cluster(workers: 0))
    #expect(!alone.changes.contains { $0.name.contains("--shared-experts") })
  }

  @Test func `workers hold shared experts that move, and the coordinator does not`() throws {
    let model = try Sample.model(layers: 8)
    let moved = try #require(model.movingShared)
    let experts = try #require(moved.experts)
    #expect(moved.trunkByteCount == model.trunkByteCount - model[.sharedExperts].byteCount)
    #expect(experts.sharedByteCount == model[.sharedExperts].byteCount)
    let plan = try Planner(moved, Sample.request()).plan(Sample.cluster(workers: 3))
    let held = plan.holdings.reduce(0) { $0 + $1.expertByteCount }
    #expect(held == experts.routedByteCount + experts.sharedByteCount)
  }

  @Test func `changes are those that make sense`() throws {
    let model = try Sample.model("deepseek-v2")
    let planner = Planner(model, Sample.request())
    let slow = try planner.plan(Sample.cluster(workers: 4, roundTrip: 2e-3))
    let names = slow.changes.map(\.name)
    #expect(names.contains("10 GbE everywhere") && names.contains("8-bit keys and values"))
    let nearer = try #require(slow.changes.first { $0.name == "half the round trip" })
    #expect(nearer.decodeTokensPerSecond > 1.2 * slow.decodeTokensPerSecond)
    #expect(slow.bottleneck.contains("round trips"))
    let fast = try planner.plan(Sample.cluster(workers: 4, gigabits: 10, roundTrip: 50e-6))
    #expect(!fast.changes.map(\.name).contains("10 GbE everywhere"))
    #expect(fast.decodeTokensPerSecond > slow.decodeTokensPerSecond)
  }
}
