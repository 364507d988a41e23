import Coordinator
import Experts
import Foundation
import Messages
import ModelFiles
import Testing

/// The only worker dies, hangs or lies: calls wait for another one, then a clear error; never a crash,
/// a hang or wrong numbers.
@Suite(.serialized) struct FaultTests {
  let model: TestModel
  let layer: LayerIndex

  init() throws {
    model = try TestModel(TestModel.floats)
    layer = model.geometry.layers[0]
  }

  /// Runs one call against a single scripted worker.
  private func call(
    timeout: Duration = .seconds(20), _ script: @escaping ScriptedWorker.Script,
    then check: (RemoteExperts, Result<[UInt32], any Error>) throws -> Void
  ) throws {
    let coordinator = try makeCoordinator(model.served, workers: 1) {
      $0.combineTimeout = timeout
      $0.recoveryTimeout = .milliseconds(50)
    }
    let worker = ScriptedWorker(join: coordinator.endpoint, script: script)
    defer {
      coordinator.shutdown()
      worker.stop()
    }
    try coordinator.gather()
    let remote = try #require(coordinator.experts)
    try check(remote, Result { try answer(remote, layer, rows: 3, seed: 1) })
  }

  private func problem(
    timeout: Duration = .seconds(20), _ script: @escaping ScriptedWorker.Script
  ) throws -> String {
    var text = "no error"
    let groups = model.geometry.layers.count * model.geometry.groupCount
    try call(timeout: timeout, script) { remote, result in
      if case .failure(let error) = result { text = "\(error)" }
      #expect(
        text.hasPrefix("\(groups) of \(groups) expert groups have no worker: worker 0 (scripted) "))
      #expect(
        text.hasSuffix(
          "; start a worker with room for them, requests are served again when it has "
            + "loaded them"))
      // The worker is out: the next call fails at once, whatever the timeout.
      #expect(throws: ExpertsUnavailable.self) { try answer(remote, layer, rows: 1, seed: 2) }
    }
    return text
  }

  @Test func `an honest reply of zeros is a sum of zeros`() throws {
    try call {
      [$0]
    } then: { remote, result in
      let sums = try result.get()
      #expect(sums.allSatisfy { $0 == 0 })
      #expect(remote.staleReplyCount == 0)
    }
  }

  @Test func `a worker that hangs is an error within the timeout`() throws {
    let text = try problem(timeout: .milliseconds(300)) { _ in [] }
    #expect(text.contains("is gone: it has not answered within 0.3 seconds"), "\(text)")
  }

  @Test func `a worker that dies with a call is an error long before the timeout`() throws {
    let text = try problem(timeout: .seconds(3_600)) { _ in nil }
    #expect(text.contains("is gone: its connection ended"), "\(text)")
  }

  @Test func `replies to no live call are dropped and counted`() throws {
    let script: ScriptedWorker.Script = { honest in
      [
        honest.reply { $0.call.number += 1 }, honest.reply { $0.call.step += 1 },
        honest.reply { $0.call.layer += 1 }, honest.reply { $0.call.attempt += 1 },
        honest.header { $0.epoch = Epoch(rawValue: 99) },
        honest.header { $0.incarnation = .random() }, honest, honest,
      ]
    }
    try call(script) { remote, result in
      let sums = try result.get()
      #expect(sums.allSatisfy { $0 == 0 })
      _ = try answer(remote, layer, rows: 2, seed: 3)
      // The second copy of an answer is found by the next call at the latest.
      #expect(remote.staleReplyCount >= 13)
    }
  }

  @Test func `a worker that cannot compute says why`() throws {
    try call {
      [
        $0.reply {
          $0.partialCount = 0; $0.error = "out of\nmemory".replacing("\n", with: " ")
        }
      ]
    } then: {
      _, result in
      #expect(
        throws: ClusterError.workerFailed(
          layer: layer, worker: "worker 0 (scripted)", reason: "out of memory")
      ) { try result.get() }
    }
  }

  static let lies: [(String, ScriptedWorker.Script)] = [
    ("1 frames", { [with($0) { $0.frames = [[1, 2, 3]] }] }),
    (
      "a header that cannot be read (DataHeader: 3 bytes that are no such message)",
      { [with($0) { $0.frames = [[255, 255, 255], [], []] }] }
    ),
    (
      "a header that cannot be read (DataHeader: 4097 bytes are more than 4096)",
      { [with($0) { $0.frames = [[UInt8](repeating: 0, count: 4_097), [], []] }] }
    ),
    ("results of another model", { [$0.header { $0.model ^= 1 }] }),
    (
      "a payload that is not what its checksum says", { [with($0) { $0.payload[5] ^= 1 }] }
    ),
    (
      "a payload that is not what its checksum says", { [$0.header { $0.checksum &+= 1 }] }
    ),
    ("a message that only coordinators send", { [$0.header { $0.body = .ping }] }),
    (
      "numbers that are not finite",
      { [$0.payload { $0.replaceSubrange(4..<8, with: [0, 0, 0xC0, 0x7F]) }] }
    ),
    (
      "numbers that are not finite",
      { [$0.payload { $0.replaceSubrange(4..<8, with: [0, 0, 0x80, 0xFF]) }] }
    ),
  ]

  private static func with(
    _ message: ScriptedWorker.Message, _ change: (inout ScriptedWorker.Message) -> Void
  ) -> ScriptedWorker.Message {
    var copy = message
    change(&copy)
    return copy
  }

  @Test(arguments: lies.indices)
  func `garbage drops the worker and says what it was`(lie: Int) throws {
    let (what, script) = Self.lies[lie]
    let text = try problem(script)
    #expect(text.contains("is gone: it sent \(what);"), "\(text)")
  }

  @Test func `shapes that do not fit drop the worker`() throws {
    let width = model.geometry.hiddenSize
    let cases: [(String, ScriptedWorker.Script)] = [
      ("partial sums where", { [$0.reply { $0.partialCount += 1 }] }),
      ("rows of \(width + 1) × float32, not \(width) × float32", { [$0.reply { $0.width += 1 }] }),
      ("rows of \(width) × int16Blocks", { [$0.reply { $0.rowFormat = .int16Blocks }] }),
      ("a payload of ", { [$0.payload { $0.removeLast(4) }] }),
      ("a payload of ", { [$0.payload { $0.append(0) }] }),
      ("a payload of 0 bytes", { [$0.payload { $0.removeAll() }] }),
    ]
    for (what, script) in cases { #expect(try problem(script).contains(what)) }
  }

  @Test func `a worker that goes while it is idle is lost`() throws {
    let log = LogLines()
    let coordinator = try makeCoordinator(model.served, workers: 1, log: log) {
      $0.recoveryTimeout = .milliseconds(50)
    }
    let worker = ScriptedWorker(join: coordinator.endpoint) { _ in nil }
    defer { coordinator.shutdown() }
    try coordinator.gather()
    worker.stop()
    // It is lost first, and then that is logged.
    let line = "Lost worker 0 (scripted): its connection ended"
    let end = ContinuousClock.now + .seconds(60)
    while !log.contain(line), ContinuousClock.now < end { Thread.sleep(forTimeInterval: 0.01) }
    #expect(log.contain(line), "\(log.all)")
    #expect(coordinator.workers.first?.lostReason == "its connection ended")
    let remote = try #require(coordinator.experts)
    #expect(throws: ExpertsUnavailable.self) { try answer(remote, layer, rows: 1, seed: 1) }
  }
}
