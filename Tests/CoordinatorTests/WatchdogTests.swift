import Coordinator
import Experts
import Foundation
import Messages
import ModelFiles
import Synchronization
import Testing
import Worker

/// Threads of a worker that do not get on.
@Suite(.serialized) struct WatchdogTests {
  /// Hangs in the computation once it is told to.
  private final class Hang: WorkerFaults {
    let isArmed = Atomic<Bool>(false)
    let isReleased = Atomic<Bool>(false)

    func reach(_ place: WorkerPlace) {
      guard place == .computing, isArmed.exchange(false, ordering: .relaxed) else { return }
      while !isReleased.load(ordering: .relaxed) { usleep(1_000) }
    }

    func replies(for reply: WorkerReply) -> [WorkerReply] { [reply] }
  }

  /// A worker that had been stopped for seconds in the middle of a dispatch was watched by that measure
  /// from then on: a thread that got stuck later was found after minutes.
  @Test func `one dispatch during which a process stood still is not what they take`() {
    var pace = WorkPace()
    #expect(pace.limit(size: 4, most: .seconds(120)) == .seconds(120))
    for _ in 0..<100 { pace.record(.milliseconds(4), size: 4) }
    pace.record(.seconds(7), size: 4)
    #expect(pace.limit(size: 4, most: .seconds(120)) == .seconds(2))
    for _ in 0..<30 { pace.record(.seconds(1), size: 4) }  // it has become slow, really
    #expect(pace.limit(size: 4, most: .seconds(120)) == .seconds(20))
    var slow = WorkPace()
    slow.record(.seconds(7), size: 4)
    for _ in 0..<300 { slow.record(.milliseconds(4), size: 4) }
    #expect(slow.limit(size: 4, most: .seconds(120)) == .seconds(2))
  }

  /// Without a replica such a call used to wait for the 30 s of `combineTimeout`, and the worker's
  /// process went on for ever.
  @Test func `a stuck compute thread ends its worker, and another one takes over`() throws {
    let model = try TestModel(TestModel.floats)
    let layer = model.geometry.layers[0]
    let local = try LocalExperts(loading: model.catalog, kernels: testKernels)
    let coordinator = try makeCoordinator(model.served, workers: 2) {
      $0.combineTimeout = .seconds(3_600)
    }
    let hang = Hang()
    let stuck = ThreadWorker(join: coordinator.endpoint, model: model.archive) {
      $0.name = "stuck"
      $0.faults = hang
    }
    let other = ThreadWorker(join: coordinator.endpoint, model: model.archive) { $0.name = "other" }
    defer {
      hang.isReleased.store(true, ordering: .relaxed)
      coordinator.shutdown()
      other.stop()
    }
    try coordinator.gather()
    let remote = try #require(coordinator.experts)
    for seed in 0..<8 as Range<UInt64> { _ = try answer(remote, layer, rows: 6, seed: seed) }
    hang.isArmed.store(true, ordering: .relaxed)
    for seed in 8..<12 as Range<UInt64> {
      let expected = try answer(local, layer, rows: 6, seed: seed)
      #expect(try answer(remote, layer, rows: 6, seed: seed) == expected)
    }
    let error = #expect(throws: WorkerError.self) { try stuck.waitForEnd()?.get() }
    #expect(
      error?.description.hasPrefix("the compute thread has been at one piece of work") == true)
  }
}
