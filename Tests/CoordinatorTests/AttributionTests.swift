import Coordinator
import Experts
import Foundation
import LinkEmulation
import Messages
import Telemetry
import Tensors
import Testing
import Transport

/// A delay of 30 ms, put into one place, is found in that place.
///
/// A machine that has other work delays the other parts as well, so of many steps the fastest is
/// looked at.
@Suite(.serialized) struct AttributionTests {
  private static let delay: Duration = .milliseconds(30)
  let model: TestModel
  let layer: LayerIndex
  /// Workers of this machine share its clock.
  let clock: ClockMap

  init() throws {
    model = try TestModel(TestModel.floats)
    layer = model.geometry.layers[0]
    var offset = ClockOffset()
    offset.add(Exchange(intendedAt: 0, sentAt: 0, receivedAt: 0, repliedAt: 0, arrivedAt: 0))
    clock = ClockMap(offset, offset)
  }

  /// What the least disturbed step of `calls` calls, all on their way at once, is taken apart to.
  private func trace(
    _ coordinator: ClusterCoordinator, calls: Int = 1, workers: Int = 1
  ) throws -> TraceSummary {
    let remote = try #require(coordinator.experts)
    _ = try answer(remote, layer, rows: 8, seed: 3)  // whatever is slow only once
    var best = try step(remote, calls: calls, workers: workers)
    for _ in 0..<50 where best.steps.max > Self.delay * calls * 1.5 {
      let next = try step(remote, calls: calls, workers: workers)
      if next.steps.max < best.steps.max { best = next }
    }
    return best
  }

  private func step(_ remote: RemoteExperts, calls: Int, workers: Int) throws -> TraceSummary {
    let recorder = DispatchRecorder(callsPerStep: calls, workers: workers)
    remote.recorder = recorder
    recorder.beginStep(.decode, at: MonotonicTime.nanoseconds)
    let batch = makeBatch(model.geometry, layer, rows: 8, seed: 3)
    let tickets = try (0..<calls).map { _ in try remote.dispatch(batch, layer: layer) }
    var sum = FloatMatrix(rows: 8, columns: model.geometry.hiddenSize)
    for ticket in tickets { try remote.combine(ticket, into: &sum) }
    recorder.endStep(at: MonotonicTime.nanoseconds)
    return TraceSummary(.decode, of: recorder.steps, clocks: (0..<workers).map { _ in clock })
  }

  private func expectMost(_ part: PathPart, _ trace: TraceSummary, worker: Int = 0) {
    let line = trace.workers[worker]
    #expect(line[part].max >= Self.delay * 0.99)  // three digits of a histogram
    for other in ShareTimes.parts where other != part {
      #expect(line[other].max < line[part].max, "\(other)")
    }
    #expect(trace.path.largest == part)
  }

  @Test(arguments: [("forward", PathPart.out), ("backward", PathPart.back)])
  func `a delay of the link`(direction: String, part: PathPart) throws {
    let coordinator = try makeCoordinator(model.served, workers: 1)
    let routes = try [coordinator.endpoint, coordinator.dataEndpoint].map {
      let target = try #require(TCPEndpoint($0))
      return LinkRoute(listen: TCPEndpoint(host: "127.0.0.2", port: target.port), target: target)
    }
    // Forward is from who connects: the worker.
    let toWorker = direction == "forward" ? "backward" : "forward"
    let emulator = try LinkEmulator(routes)
    let worker = ThreadWorker(
      join: "tcp://\(emulator.endpoints[0])", model: model.archive)
    defer {
      coordinator.shutdown()
      worker.stop()
      emulator.stop()
    }
    try coordinator.gather()
    try emulator.apply("\(toWorker) delay 30ms")
    expectMost(part, try trace(coordinator))
    // Probes see it as well, and do not pretend to know more than can be known.
    let prober = try #require(coordinator.prober)
    let probes = try prober.probe(worker: 0, payloadByteCount: 100, count: 3, interval: .zero)
    #expect(probes[0].roundTrips.percentile(0) >= Self.delay * 0.99)
    let offset = try prober.clock(worker: 0, count: 3)
    #expect(offset.nanoseconds.magnitude <= offset.errorBound)
    #expect(offset.errorBound >= 15_000_000)
  }

  /// A worker that spends the delay before or in its computation.
  private func delayed(_ part: PathPart) -> ScriptedWorker.Script {
    { honest in
      let start = MonotonicTime.nanoseconds
      Thread.sleep(forTimeInterval: Self.delay / .seconds(1))
      let end = MonotonicTime.nanoseconds
      return [
        honest.reply {
          $0.times.computeStartedAt = part == .compute ? start : end
          $0.times.computeEndedAt = end
          $0.times.repliedAt = end
        }
      ]
    }
  }

  @Test(arguments: [PathPart.queue, .compute])
  func `a delay of the worker`(part: PathPart) throws {
    let coordinator = try makeCoordinator(model.served, workers: 1)
    let worker = ScriptedWorker(join: coordinator.endpoint, script: delayed(part))
    defer {
      coordinator.shutdown()
      worker.stop()
    }
    try coordinator.gather()
    expectMost(part, try trace(coordinator))
  }

  @Test func `waiting behind another call`() throws {
    let coordinator = try makeCoordinator(model.served, workers: 1)
    let worker = ScriptedWorker(join: coordinator.endpoint, script: delayed(.compute))
    defer {
      coordinator.shutdown()
      worker.stop()
    }
    try coordinator.gather()
    let trace = try self.trace(coordinator, calls: 2)
    let second = try #require(trace.paths.first?.shares.last).times
    #expect(second[.queue] >= 15_000_000)
    #expect(second[.out] < second[.queue])
  }

  @Test func `waiting for the slowest`() throws {
    let coordinator = try makeCoordinator(model.served, workers: 2)
    let slow = ScriptedWorker(join: coordinator.endpoint, script: delayed(.compute))
    let fast = ScriptedWorker(join: coordinator.endpoint) { [$0] }
    defer {
      coordinator.shutdown()
      slow.stop()
      fast.stop()
    }
    try coordinator.gather()
    let trace = try self.trace(coordinator, workers: 2)
    let slowest = try #require(trace.culprits.first?.worker)
    #expect(trace.workers[slowest].slowestCount == 1)
    #expect(trace.workers[slowest].wait.max < .microseconds(1))
    #expect(trace.workers[1 - slowest].wait.max > .microseconds(1))
    #expect(trace.culprits.first?.part == .compute)
  }
}
