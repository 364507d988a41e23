import Coordinator
import Experts
import Foundation
import Kernels
import Messages
import ModelFiles
import Placement
import Testing
import Transport
import Worker

/// Clusters with keys: the same answers, no strangers, and nobody speaks for another.
@Suite(.serialized) struct ClusterKeyTests {
  let model: TestModel
  let coordinatorKey: KeyPair
  let workerKey: KeyPair

  init() throws {
    model = try TestModel(TestModel.floats)
    coordinatorKey = try KeyPair.random()
    workerKey = try KeyPair.random()
  }

  private func list(_ keys: KeyPair...) -> AllowList {
    AllowList(Dictionary(uniqueKeysWithValues: keys.map { ($0.publicKey, $0.publicKey.brief) }))
  }

  private func worker(
    _ pair: KeyPair, _ endpoint: String, trusting trusted: [PublicKey]? = nil, withFile: Bool = true
  ) -> ThreadWorker {
    let keys = trusted ?? [coordinatorKey.publicKey]
    let trust = AllowList(Dictionary(uniqueKeysWithValues: keys.map { ($0, "coordinator") }))
    return ThreadWorker(join: endpoint, model: withFile ? model.archive : nil) {
      $0.security = .keys(pair, trusted: trust)
    }
  }

  @Test(arguments: [true, false])
  func `a cluster with keys gives the same answer`(withFiles: Bool) throws {
    let local = try LocalExperts(loading: model.catalog, kernels: testKernels)
    let layer = model.geometry.layers[0]
    let expected = try answer(local, layer, rows: 5, seed: 3)
    let second = try KeyPair.random()
    let coordinator = try makeCoordinator(model.served, workers: 2) {
      $0.security = .keys(coordinatorKey, list(workerKey, second))
    }
    let workers = [workerKey, second].map {
      worker($0, coordinator.endpoint, withFile: withFiles)
    }
    try coordinator.gather()
    let remote = try #require(coordinator.experts)
    #expect(try answer(remote, layer, rows: 5, seed: 3) == expected)
    let prober = try #require(coordinator.prober)
    #expect(try prober.connectOtherwise(port: nil).isEmpty)
    let probes = try prober.probe(worker: 0, payloadByteCount: 1 << 20, count: 3)
    #expect(probes.map(\.transport) == [.zeromq, .curve] && prober.dataTransport == .curve)
    coordinator.shutdown()
    for worker in workers { worker.stop() }
  }

  @Test func `other machines need keys, on both sides, unless somebody says otherwise`() throws {
    for address in ["tcp://0.0.0.0:*", "tcp://*:*"] {
      let error = #expect(throws: ClusterError.self) {
        try makeCoordinator(model.served, workers: 1) { $0.listen = address }
      }
      #expect(
        error?.description.hasPrefix(
          "\(address) is open to other machines, and nobody needs a key to join; give keys") == true
      )
    }
    for security in [ClusterSecurity.insecure, .keys(coordinatorKey, list(workerKey))] {
      let coordinator = try makeCoordinator(model.served, workers: 1) {
        $0.listen = "tcp://0.0.0.0:*"
        $0.security = security
      }
      coordinator.shutdown()
    }
    let worker = ThreadWorker(join: "tcp://192.0.2.99:1", model: nil)
    let error = #expect(throws: WorkerError.self) { try worker.waitForEnd()?.get() }
    #expect(
      error?.description.hasPrefix("tcp://192.0.2.99:1 is another machine, and there") == true)
  }

  @Test func `a worker that is not let in says how to change that, and then joins`() throws {
    let list = list()
    let coordinator = try makeCoordinator(model.served, workers: 1) {
      $0.security = .keys(coordinatorKey, list)
    }
    let worker = worker(workerKey, coordinator.endpoint)
    try coordinator.gather(interruption: {
      if worker.log.contain("does not let this worker's key in"), list.count == 0 {
        list.replace(with: [workerKey.publicKey: "w"])
      }
      return nil
    })
    #expect(worker.log.contain("run `conclave keys allow \(workerKey.publicKey) --name NAME"))
    coordinator.shutdown()
    worker.stop()
  }

  @Test func `keys on one side only are explained`() throws {
    let open = try makeCoordinator(model.served, workers: 1)
    let closed = try makeCoordinator(model.served, workers: 1) {
      $0.security = .keys(coordinatorKey, list(workerKey))
    }
    let (keyed, plain) = (
      worker(workerKey, open.endpoint), ThreadWorker(join: closed.endpoint, model: nil)
    )
    #expect(waits { keyed.log.contain("does not use keys, or is no coordinator") })
    #expect(waits { plain.log.contain("wants keys, or is no coordinator") })
    keyed.stop()
    plain.stop()
  }

  /// While a coordinator changes its key, workers trust both.
  @Test func `a worker tries one trusted key after another`() throws {
    let next = try KeyPair.random().publicKey
    let coordinator = try makeCoordinator(model.served, workers: 1) {
      $0.security = .keys(coordinatorKey, list(workerKey))
    }
    let worker = worker(
      workerKey, coordinator.endpoint, trusting: [next, coordinatorKey.publicKey])
    try coordinator.gather()
    coordinator.shutdown()
    worker.stop()
  }

  @Test func `a revoked worker is parted with while it serves`() throws {
    let list = list(workerKey)
    let coordinator = try makeCoordinator(model.served, workers: 1) {
      $0.security = .keys(coordinatorKey, list)
      $0.recoveryTimeout = .milliseconds(300)
    }
    let worker = worker(workerKey, coordinator.endpoint)
    try coordinator.gather()
    let remote = try #require(coordinator.experts)
    let layer = model.geometry.layers[0]
    _ = try answer(remote, layer, rows: 1, seed: 1)
    list.replace(with: [:])
    let ended = #expect(throws: WorkerError.self) { try worker.waitForEnd()?.get() }
    #expect(ended?.description.hasSuffix("was dismissed: its key was revoked") == true)
    #expect(waits { coordinator.workers.first?.lostReason == "its key was revoked" })
    #expect(throws: (any Error).self) { try answer(remote, layer, rows: 1, seed: 1) }
    coordinator.shutdown()
  }

  /// Somebody with a valid key of his own names another worker's incarnation: on the data port
  /// before that worker attaches, and on the control port.
  @Test func `nobody speaks for the incarnation of another`() throws {
    let thief = try KeyPair.random()
    let log = LogLines()
    let coordinator = try makeCoordinator(model.served, workers: 1, log: log) {
      $0.security = .keys(coordinatorKey, list(workerKey, thief))
    }
    let context = try TransportContext()
    let codec = MessageCodec()
    let incarnation = Incarnation.random()
    func connect(_ pair: KeyPair, _ endpoint: String) throws -> DealerSocket {
      try DealerSocket(
        context, connect: endpoint, as: .random(),
        .control.secured(by: .client(pair, server: coordinatorKey.publicKey)))
    }
    func send(_ frames: [[UInt8]], _ dealer: DealerSocket) throws {
      var message = Multipart()
      repeat {
        message.removeAll()
        for frame in frames { try message.append(frame) }
        try coordinator.step()
      } while try !dealer.send(&message)
      for _ in 0..<20 { try coordinator.step() }
    }
    func control(_ body: ControlMessage.Body) throws -> [[UInt8]] {
      var bytes: [UInt8] = []
      try codec.encode(
        ControlMessage(incarnation: incarnation, epoch: Epoch(rawValue: 1), body: body),
        into: &bytes)
      return [bytes, []]
    }
    let hello = Hello(
      name: "honest", memoryBudget: 1 << 30, cores: 1, instructionSet: "scalar",
      memoryBandwidth: 0, numericsProfile: testKernels.numericsProfile, modelDigest: nil,
      software: "test")
    let honest = try connect(workerKey, coordinator.endpoint)
    try send(try control(.hello(hello)), honest)
    #expect(coordinator.workers.map(\.name) == ["honest"])
    let units = try #require(coordinator.workers.first).assignedGroups
    let stranger = try connect(thief, coordinator.endpoint)
    try send(try control(.ready(Ready(residentBytes: 0, loadedGroups: units))), stranger)
    #expect(log.contain("a message in the name of another worker"))
    #expect(coordinator.workers.first?.isReady == false)
    var attach: [UInt8] = []
    try codec.encode(
      DataHeader(
        incarnation: incarnation, epoch: Epoch(rawValue: 1), model: model.archive.digest.short,
        checksum: 0, body: .attach), into: &attach)
    try send([attach, [], []], try connect(thief, coordinator.dataEndpoint))
    #expect(!coordinator.isAttached(incarnation))
    try send([attach, [], []], try connect(workerKey, coordinator.dataEndpoint))
    #expect(coordinator.isAttached(incarnation))
    coordinator.shutdown()
  }

  private func waits(until condition: () -> Bool) -> Bool {
    for _ in 0..<1000 {
      if condition() { return true }
      Thread.sleep(forTimeInterval: 0.01)
    }
    return false
  }
}
