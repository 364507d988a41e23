import Experts
import Foundation
import Messages
import ModelFiles
import Placement
import Tensors
import Testing
import Transport
import Worker

/// What a worker says and knows of how far it is.
@Suite(.serialized) struct WorkerReportTests {
  let model: TestModel

  init() throws { model = try TestModel(TestModel.floats) }

  /// A group that took longer to come than a thread may be stuck ended its worker, however steadily it
  /// came: so it was with many workers behind one link.
  @Test func `a group that comes slowly is no stuck thread`() throws {
    let shape = try ExpertShape(
      hiddenSize: 1_024, expertIntermediateSize: 1_024, expertCount: 4, expertsPerToken: 1,
      moeLayers: 0..<1, modelGroupCount: 2)
    let geometry = try ExpertGeometry(
      shape: shape, layerFormats: [ExpertFormats(gate: .f32, up: .f32, down: .f32)])
    let unit = PlacementUnit(layer: LayerIndex(0), group: GroupIndex(0))
    let coordinator = try FakeCoordinator()
    let worker = ThreadWorker(join: coordinator.router.endpoint, model: nil) {
      $0.stuckLimit = .seconds(2)
    }
    defer { worker.stop() }
    let peer = try #require(try coordinator.welcome(model, geometry: geometry))
    try coordinator.send(.assignment(Assignment(origin: .transfer, units: [unit])), to: peer)
    var missing = geometry.byteCount(unit.layer, unit.group)
    while missing > 0, let (body, sender) = try coordinator.receive() {
      guard case .chunkRequest(let request) = body else {
        Issue.record("\(body)")
        break
      }
      usleep(100_000)  // times 24
      let payload = [UInt8](repeating: 0, count: request.count)
      let digest = ModelDigest(sha256: payload.rawSpan)
      try coordinator.send(
        .chunkReply(ChunkReply(request: request, sha256: digest)), payload: payload, to: sender)
      missing -= request.count
    }
    #expect(missing == 0 && !worker.hasEnded)
  }

  /// It reported the placement of the welcome's epoch: when the assignment of that epoch was lost, nobody
  /// saw that it had to be sent again, and the start hung.
  @Test func `who was welcomed and not assigned anything knows no placement`() throws {
    let coordinator = try FakeCoordinator()
    let worker = ThreadWorker(join: coordinator.router.endpoint, model: nil)
    defer { worker.stop() }
    _ = try #require(try coordinator.welcome(model))  // in epoch 1
    let (progress, epoch) = try #require(try coordinator.receiveReport())
    #expect(progress.state == .waiting && epoch == Epoch(rawValue: 0))
  }
}
