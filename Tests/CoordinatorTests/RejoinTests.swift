import Coordinator
import Experts
import Foundation
import Kernels
import LinkEmulation
import Messages
import ModelFiles
import Placement
import Testing
import Transport
import Worker

/// A coordinator that starts again finds its workers' experts still in their memory.
@Suite(.serialized) struct RejoinTests {
  let model: TestModel

  init() throws { model = try TestModel(TestModel.floats) }

  /// What a coordinator has done in its life.
  private struct Life {
    var answer: [UInt32] = []
    var holdings: [String: Set<PlacementUnit>] = [:]  // by the worker's name
    var workers: [WorkerSummary] = []
    var endpoint = ""
  }

  /// Lives at an address until it has answered once; its sockets are closed on return.
  ///
  /// Not at 127.0.0.1: there a connection of another test may be given the port that the next
  /// coordinator wants back.
  private func live(
    _ model: TestModel? = nil, at endpoint: String = "tcp://127.0.77.1:*", workers: Int,
    onListening: (String) -> Void = { _ in }
  ) throws -> Life {
    let model = model ?? self.model
    let coordinator = try listening(at: endpoint, model, workers: workers)
    defer { coordinator.shutdown() }
    onListening(coordinator.endpoint)
    try coordinator.gather()
    let remote = try #require(coordinator.experts)
    let plan = try #require(coordinator.plan)
    var life = Life()
    life.answer = try answer(remote, model.geometry.layers[0], rows: 5, seed: 3)
    life.workers = coordinator.workers
    life.endpoint = coordinator.endpoint
    life.holdings = Dictionary(
      uniqueKeysWithValues: life.workers.map { ($0.name, Set(plan.units(of: $0.id))) })
    return life
  }

  /// A coordinator at an address that another one of this process may have left just now: its socket
  /// is closed by a thread of ZeroMQ's, in its own time.
  private func listening(
    at endpoint: String, _ model: TestModel, workers: Int
  ) throws -> ClusterCoordinator {
    let clock = ContinuousClock()
    let limit = clock.now + .seconds(20)
    while true {
      do {
        return try makeCoordinator(model.served, workers: workers) {
          $0.listen = endpoint
          $0.workersEndWithIt = false
        }
      } catch {
        guard "\(error)".contains("in use"), clock.now < limit else { throw error }
        usleep(20_000)
      }
    }
  }

  private func localAnswer(_ model: TestModel) throws -> [UInt32] {
    let local = try LocalExperts(loading: model.catalog, kernels: testKernels)
    return try answer(local, model.geometry.layers[0], rows: 5, seed: 3)
  }

  /// Starts workers of these names that join an address.
  private func start(_ names: [String], _ endpoint: String, withFile: Bool) -> [ThreadWorker] {
    names.map { name in
      ThreadWorker(join: endpoint, model: withFile ? model.archive : nil) { $0.name = name }
    }
  }

  @Test(arguments: [true, false])
  func `workers keep their experts, whoever joins first`(withFiles: Bool) throws {
    let expected = try localAnswer(model)
    var workers: [ThreadWorker] = []
    defer { for worker in workers { worker.stop() } }
    let first = try live(workers: 3) {
      workers = start(["c", "a", "b"], $0, withFile: withFiles)
    }
    #expect(first.answer == expected)
    for _ in 0..<3 {
      let next = try live(at: first.endpoint, workers: 3)
      #expect(next.answer == expected)
      #expect(next.holdings == first.holdings)
    }
    for worker in workers {
      #expect(worker.log.all.filter { $0.hasPrefix("Kept ") }.count == 3, "\(worker.log.all)")
      #expect(worker.log.all.filter { $0.hasPrefix("To hold ") }.count == 4)
    }
  }

  @Test func `fewer workers than before load only what is missing`() throws {
    let expected = try localAnswer(model)
    var workers: [ThreadWorker] = []
    defer { for worker in workers { worker.stop() } }
    let first = try live(workers: 2) { workers = start(["a", "b"], $0, withFile: true) }
    let kept = try #require(first.holdings["a"]).count
    workers[1].stop()
    let next = try live(at: first.endpoint, workers: 1)
    #expect(next.answer == expected)
    let all = model.geometry.layers.count * model.geometry.groupCount
    #expect(next.workers.map(\.assignedGroups) == [all])
    #expect(kept < all)
    #expect(workers[0].log.contain("Kept \(kept) expert groups"))
  }

  @Test func `experts of another model are let go`() throws {
    let other = try TestModel(TestModel.quantised)
    var workers: [ThreadWorker] = []
    defer { for worker in workers { worker.stop() } }
    let first = try live(workers: 1) { workers = start(["a"], $0, withFile: false) }
    let next = try live(other, at: first.endpoint, workers: 1)
    #expect(next.answer == (try localAnswer(other)))
    #expect(!workers[0].log.contain("Kept "))
  }

  /// Under the id of the connection that has ended it would not be served before the coordinator
  /// notices the end, too.
  @Test(arguments: [true, false])
  func `a worker whose connection ends joins anew with its experts`(cutsData: Bool) throws {
    let expected = try localAnswer(model)
    let coordinator = try makeCoordinator(model.served, workers: 1)
    defer { coordinator.shutdown() }
    let end = try #require(TCPEndpoint(String(coordinator.endpoint.dropFirst("tcp://".count))))
    let control = try LinkEmulator([
      LinkRoute(listen: TCPEndpoint(host: "127.0.0.4", port: 0), target: end)
    ])
    let data = try LinkEmulator([try #require(dataRoute(of: coordinator, host: "127.0.0.4"))])
    let worker = ThreadWorker(join: "tcp://\(control.endpoints[0])", model: model.archive)
    defer { worker.stop() }
    try coordinator.gather()
    let remote = try #require(coordinator.experts)
    let layer = model.geometry.layers[0]
    #expect(try answer(remote, layer, rows: 5, seed: 3) == expected)
    try (cutsData ? data : control).apply("cut")
    let limit = ContinuousClock.now + .seconds(20)
    while !worker.log.contain("Kept "), ContinuousClock.now < limit { usleep(5_000) }
    #expect(worker.log.contain(cutsData ? "the data connection to" : "has ended; joining anew"))
    #expect(worker.log.contain("Kept "), "\(worker.log.all)")
    #expect(try answer(remote, layer, rows: 5, seed: 3) == expected)
  }

  /// A link that is lost during a call cannot be used for another worker before the call has ended.
  @Test func `links do not pile up when a worker comes back again and again`() throws {
    let expected = try localAnswer(model)
    let coordinator = try makeCoordinator(model.served, workers: 1)
    defer { coordinator.shutdown() }
    let end = try #require(TCPEndpoint(String(coordinator.endpoint.dropFirst("tcp://".count))))
    let control = try LinkEmulator([
      LinkRoute(listen: TCPEndpoint(host: "127.0.0.5", port: 0), target: end)
    ])
    let data = try LinkEmulator([try #require(dataRoute(of: coordinator, host: "127.0.0.5"))])
    let worker = ThreadWorker(join: "tcp://\(control.endpoints[0])", model: model.archive)
    defer { worker.stop() }
    try coordinator.gather()
    let remote = try #require(coordinator.experts)
    for _ in 0..<20 {
      try data.apply("cut")
      #expect(try answer(remote, model.geometry.layers[0], rows: 5, seed: 3) == expected)
    }
    #expect(remote.linkCount <= 3, "\(remote.linkCount)")
  }

  /// Hellos wait while a coordinator loads its model: those of a process that had been started again
  /// counted as a worker, and its silence ended the start.
  @Test func `who has gone before its hello is read does not count`() throws {
    let log = LogLines()
    let coordinator = try makeCoordinator(model.served, workers: 2, log: log)
    defer { coordinator.shutdown() }
    try comeAndGo(coordinator.endpoint)
    usleep(300_000)
    let limit = ContinuousClock.now + .seconds(20)
    while coordinator.workers.isEmpty, !log.contain("has gone"), ContinuousClock.now < limit {
      try coordinator.step()
    }
    #expect(coordinator.workers.isEmpty)
    #expect(log.contain("Passed over the hello of a worker that has gone"), "\(log.all)")
  }

  /// Says hello, and closes the connection.
  private func comeAndGo(_ endpoint: String) throws {
    let dealer = try DealerSocket(
      try TransportContext(), connect: endpoint, as: .random(), .control)
    let hello = Hello(
      name: "gone", memoryBudget: 1 << 30, cores: 1, instructionSet: "scalar", memoryBandwidth: 0,
      numericsProfile: testKernels.numericsProfile, modelDigest: nil, software: "test")
    var frame: [UInt8] = []
    try MessageCodec().encode(
      ControlMessage(incarnation: .random(), epoch: Epoch(rawValue: 0), body: .hello(hello)),
      into: &frame)
    var message = Multipart()
    repeat {
      usleep(1_000)
      message.removeAll()
      try message.append(frame)
      try message.append(byteCount: 0)
    } while try !dealer.send(&message)
  }

  /// It was said once: when it was lost with a connection that ended, the start waited for ever.
  @Test func `a worker that nobody asks for anything says again whose connection it has`() throws {
    let coordinator = try FakeCoordinator()
    let data = try RouterSocket(try TransportContext(), bind: "tcp://127.0.0.1:*", .data())
    let worker = ThreadWorker(join: coordinator.router.endpoint, model: nil)
    defer { worker.stop() }
    let port = try #require(data.port)
    let peer = try #require(try coordinator.welcome(model, dataPort: port))
    try coordinator.send(.assignment(Assignment(origin: .transfer, units: [])), to: peer)
    let codec = MessageCodec()
    var message = Multipart()
    var senders: [RoutingID] = []
    let limit = ContinuousClock.now + .seconds(20)
    while senders.count < 2, ContinuousClock.now < limit {
      guard let sender = try data.receive(&message, timeout: .milliseconds(50)) else { continue }
      let header = try codec.decodeData(message.frame(0))
      #expect(header.body == .attach && header.incarnation == coordinator.incarnation)
      senders.append(sender)
    }
    #expect(senders.count == 2 && senders.first == senders.last)
  }

  /// A data connection that fails in its handshake is not made again by the library: such a worker said
  /// that it lived, and never answered.
  @Test func `a worker without a data connection says so and joins anew`() throws {
    let coordinator = try FakeCoordinator()
    let worker = ThreadWorker(join: coordinator.router.endpoint, model: nil)
    let peer = try #require(try coordinator.welcome(model))
    let first = coordinator.incarnation
    try coordinator.send(.assignment(Assignment(origin: .transfer, units: [])), to: peer)
    let text =
      "no data connection to tcp://127.0.0.1:9 for 5.0 seconds; if that goes on, check that this "
      + "machine reaches that port"
    #expect(try coordinator.receive()?.0 == .refusal(Refusal(.malformed, text)))
    guard case .hello? = try coordinator.receive()?.0 else {
      Issue.record("it does not join again")
      return
    }
    #expect(coordinator.incarnation != first)
    worker.stop()
  }
}
