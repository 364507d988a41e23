import Coordinator
import Experts
import Foundation
import LinkEmulation
import Messages
import ModelFiles
import Testing
import Transport
import Worker

/// Strangers on the coordinator's two ports: honest workers are served all the while.
@Suite(.serialized) struct HostilePeerTests {
  @Test func `junk on both ports before, while and after workers join changes nothing`() throws {
    let model = try TestModel(TestModel.floats)
    let local = try LocalExperts(loading: model.catalog, kernels: testKernels)
    let log = LogLines()
    let coordinator = try makeCoordinator(model.served, workers: 2, log: log)
    let control = try Stranger(coordinator.endpoint)
    try control.sendJunk(seed: 1)
    let workers = (0..<2).map { _ in
      ThreadWorker(join: coordinator.endpoint, model: model.archive)
    }
    try coordinator.gather()
    let remote = try #require(coordinator.experts)
    let data = try Stranger(coordinator.dataEndpoint)
    let layer = model.geometry.layers[0]
    for seed in 2..<8 as Range<UInt64> {
      try control.sendJunk(seed: seed)
      try data.sendJunk(seed: seed)
      #expect(
        try answer(remote, layer, rows: 9, seed: seed)
          == answer(local, layer, rows: 9, seed: seed))
    }
    while !log.contain("Dropped on the control socket") {}
    #expect(coordinator.workers.allSatisfy { $0.lostReason == nil })
    coordinator.shutdown()
    for worker in workers { worker.stop() }
  }
}

/// Peers that send junk: plain TCP bytes, and well-framed ZeroMQ messages of nonsense.
final class Stranger {
  private let endpoint: String
  private let context: TransportContext
  private let dealer: DealerSocket

  init(_ endpoint: String) throws {
    self.endpoint = endpoint
    context = try TransportContext()
    dealer = try DealerSocket(context, connect: endpoint, as: .random(), .control)
  }

  func sendJunk(seed: UInt64) throws {
    var random = SeededGenerator(state: seed)
    sendRawBytes(&random)
    let codec = MessageCodec()
    var valid: [UInt8] = []
    try codec.encode(
      ControlMessage(incarnation: .random(), epoch: Epoch(rawValue: 1), body: .drain(text: "x")),
      into: &valid)
    var attach: [UInt8] = []
    try codec.encode(
      DataHeader(
        incarnation: .random(), epoch: Epoch(rawValue: 1), model: 0, checksum: 0, body: .attach),
      into: &attach)
    let junk = (0..<40).map { _ in UInt8.random(in: 0...255, using: &random) }
    let messages: [[[UInt8]]] = [
      [junk], [junk, junk], [junk, junk, junk], [[], [], []], [valid, []], [attach, [], []],
      [valid, junk, junk],
    ]
    var message = Multipart()
    for frames in messages {
      for _ in 0..<200 {
        message.removeAll()
        for frame in frames { try message.append(frame) }
        if try dealer.send(&message) { break }
        Thread.sleep(forTimeInterval: 0.01)
      }
    }
  }

  private func sendRawBytes(_ random: inout SeededGenerator) {
    guard let port = endpoint.split(separator: ":").last.flatMap({ UInt16($0) }) else { return }
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    unsafe inet_pton(AF_INET, "127.0.0.1", &address.sin_addr)
    unsafe withUnsafePointer(to: &address) { address in
      unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        _ = unsafe connect(descriptor, address, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    // Half of the time a ZMTP greeting comes before the noise.
    var bytes: [UInt8] = Bool.random(using: &random) ? [0xFF, 0, 0, 0, 0, 0, 0, 0, 1, 0x7F, 3] : []
    bytes += (0..<500).map { _ in UInt8.random(in: 0...255, using: &random) }
    unsafe _ = write(descriptor, bytes, bytes.count)
  }
}
