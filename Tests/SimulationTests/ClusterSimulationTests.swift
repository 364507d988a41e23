import Planning
import Simulation
import Synthesis
import Testing

@Suite struct ClusterSimulationTests {
  private func planner() throws -> Planner {
    let geometry = try #require(Geometry.named("deepseek-v2-lite")).withLayers(4)
    return Planner(try PlannedModel(geometry, .q4KM), PlanRequest())
  }

  private func cluster(workers count: Int = 2) -> ClusterDescription {
    func host(_ name: String) -> HostDescription {
      HostDescription(
        name: name, memory: 8 << 30, cores: 8, bytesPerSecond: 40e9,
        link: LinkDescription(bytesPerSecond: 125e6, roundTripSeconds: 200e-6))
    }
    return ClusterDescription(
      coordinator: host("c"), workers: (0..<count).map { host("w\($0)") })
  }

  private func workload(_ count: Int = 60, rate: Double = 2) -> Workload {
    var workload = Workload()
    workload.requestCount = count
    workload.requestsPerSecond = rate
    return workload
  }

  private func run(
    _ workload: Workload, _ cluster: ClusterDescription, faults: Faults = Faults(),
    limits: ClusterSimulation.Limits = .init(), seed: UInt64 = 1
  ) throws -> SimulationReport {
    var simulation = try ClusterSimulation(
      planner(), on: cluster, workload, faults: faults, limits: limits, seed: seed)
    return simulation.run()
  }

  @Test func `everybody is answered, and time adds up`() throws {
    let report = try run(workload(), cluster())
    #expect(report.answeredCount == 60 && report.failedCount == 0)
    #expect(report.timeToFirstToken.count == 60 && report.requestTime.count == 60)
    #expect(report.interTokenLatency.count == report.tokenCounts.answer - 60)
    #expect(report.busySeconds > 0 && report.busySeconds <= report.seconds)
    #expect(report.workers.allSatisfy { $0.busyShare > 0 && $0.busyShare < 1 })
    #expect(report.workers.allSatisfy { $0.linkShares.sent > 0 && $0.linkShares.sent < 1 })
    let times = report.requestTime
    #expect(times.percentile(0.5) <= times.percentile(0.99) && times.percentile(1) == times.max)
  }

  @Test func `the same seed is the same run, another is another`() throws {
    let one = try run(workload(), cluster(), seed: 7)
    #expect(try run(workload(), cluster(), seed: 7) == one)
    #expect(try run(workload(), cluster(), seed: 8) != one)
  }

  @Test func `more users wait longer`() throws {
    let few = try run(workload(rate: 0.2), cluster())
    let many = try run(workload(rate: 50), cluster())
    #expect(many.timeToFirstToken.percentile(0.9) > few.timeToFirstToken.percentile(0.9))
    #expect(many.answerTokensPerSecond > few.answerTokensPerSecond)
    #expect(many.longestQueue > few.longestQueue)
  }

  @Test func `late replies are felt by everybody`() throws {
    var faults = Faults()
    faults.lateShare = 0.05
    faults.lateSeconds = 0.05
    let usual = try run(workload(rate: 0.2), cluster())
    let late = try run(workload(rate: 0.2), cluster(), faults: faults)
    #expect(
      late.interTokenLatency.percentile(0.99) > usual.interTokenLatency.percentile(0.99) + 0.04)
  }

  @Test func `a lost worker is a pause, and then the others do its work`() throws {
    var faults = Faults()
    faults.losses = [Faults.Loss(worker: 1, time: 5)]
    let usual = try run(workload(), cluster(workers: 3))
    let lossy = try run(workload(), cluster(workers: 3), faults: faults)
    #expect(lossy.answeredCount == 60)
    #expect(lossy.workers.map(\.isLost) == [false, true, false])
    #expect(lossy.interTokenLatency.max > usual.interTokenLatency.max)
    #expect(lossy.workers[0].busyShare > usual.workers[0].busyShare)
  }

  @Test func `with replicas nobody loads, without room nobody is answered`() throws {
    var faults = Faults()
    faults.losses = [Faults.Loss(worker: 1, time: 5)]
    faults.loadBytesPerSecond = 1e7
    let geometry = try #require(Geometry.named("deepseek-v2-lite")).withLayers(4)
    var request = PlanRequest()
    func run(_ cluster: ClusterDescription) throws -> SimulationReport {
      let planner = Planner(try PlannedModel(geometry, .q4KM), request)
      var simulation = try ClusterSimulation(
        planner, on: cluster, workload(), faults: faults, seed: 1)
      return simulation.run()
    }
    let loading = try run(cluster())
    request.replicaCount = 2
    let replicated = try run(cluster())
    #expect(replicated.answeredCount == 60 && loading.answeredCount == 60)
    #expect(replicated.interTokenLatency.max < 1 && loading.interTokenLatency.max > 10)
    request.replicaCount = 1
    var tight = cluster()
    for index in tight.workers.indices { tight.workers[index].memoryByteCount = 700 << 20 }
    let broken = try run(tight)
    #expect(broken.failedCount > 0 && broken.answeredCount + broken.failedCount == 60)
  }

  @Test func `with a replica another worker is asked for what is late, within the budget`() throws {
    var faults = Faults()
    faults.lateShare = 0.002
    faults.lateSeconds = 0.4
    let geometry = try #require(Geometry.named("deepseek-v2-lite")).withLayers(4)
    func run(replicas: Int) throws -> SimulationReport {
      var request = PlanRequest()
      request.replicaCount = replicas
      var simulation = try ClusterSimulation(
        Planner(try PlannedModel(geometry, .q4KM), request), on: cluster(workers: 3),
        workload(rate: 0.5), faults: faults, seed: 3)
      return simulation.run()
    }
    let alone = try run(replicas: 1)
    let replicated = try run(replicas: 2)
    #expect(alone.messageCounts.hedges == 0 && alone.interTokenLatency.max > 0.4)
    #expect(replicated.messageCounts.hedges > 10)
    #expect(replicated.messageCounts.hedges * 20 <= replicated.messageCounts.all + 20 * 20)
    #expect(replicated.interTokenLatency.mean < alone.interTokenLatency.mean)
    #expect(replicated.answeredCount == 60 && alone.answeredCount == 60)
  }

  @Test func `shared experts on workers take part`() throws {
    let geometry = try #require(Geometry.named("deepseek-v2-lite")).withLayers(4)
    let moved = try #require(try PlannedModel(geometry, .q4KM).movingShared)
    var faults = Faults()
    faults.losses = [Faults.Loss(worker: 1, time: 5)]
    var simulation = try ClusterSimulation(
      Planner(moved, PlanRequest()), on: cluster(workers: 3), workload(), faults: faults, seed: 1)
    #expect(simulation.run().answeredCount == 60)
  }

  @Test func `sequences give way when pages run out, and all are answered`() throws {
    var limits = ClusterSimulation.Limits()
    limits.cachedTokenCount = 2048
    let report = try run(workload(rate: 50), cluster(), limits: limits)
    #expect(report.answeredCount + report.failedCount == 60)
    #expect(report.answeredCount > 50)
  }

  @Test func `what does not fit is not simulated`() throws {
    var small = cluster()
    for index in small.workers.indices { small.workers[index].memoryByteCount = 1 << 20 }
    #expect(throws: PlanRefusal.self) { try run(workload(), small) }
  }
}
