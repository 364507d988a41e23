import Coordinator
import Experts
import Kernels
import Messages
import ModelFiles
import Placement
import Tensors
import Testing
import Transport
import Worker

/// Weights that come from the coordinator: only bytes with the right SHA-256 are used.
@Suite(.serialized) struct TransferTests {
  let model: TestModel
  let unit: PlacementUnit

  init() throws {
    model = try TestModel(TestModel.quantised)
    unit = PlacementUnit(layer: model.geometry.layers[0], group: GroupIndex(1))
  }

  private func bytes(_ request: ChunkRequest) throws -> [UInt8] {
    var buffer = ByteBuffer(byteCount: request.count)
    var target = buffer.mutableBytes
    try model.catalog.read(
      layer: request.unit.layer, group: request.unit.group,
      bytes: request.offset..<request.offset + request.count, into: &target)
    return (0..<request.count).map {
      unsafe buffer.bytes.unsafeLoad(fromByteOffset: $0, as: UInt8.self)
    }
  }

  /// Sends the bytes that were asked for.
  private func give(
    _ request: ChunkRequest, to sender: RoutingID, _ coordinator: FakeCoordinator
  ) throws {
    let payload = try bytes(request)
    let digest = ModelDigest(sha256: payload.rawSpan)
    try coordinator.send(
      .chunkReply(ChunkReply(request: request, sha256: digest)), payload: payload, to: sender)
  }

  /// Serves one unit, passing each chunk through `change`; returns how the worker reports.
  private func serve(
    _ worker: ThreadWorker, _ coordinator: FakeCoordinator,
    change: (_ chunk: Int, inout [UInt8]) -> Void
  ) throws -> ControlMessage.Body? {
    let peer = try #require(try coordinator.welcome(model))
    try coordinator.send(.assignment(Assignment(origin: .transfer, units: [unit])), to: peer)
    var chunk = 0
    while let (body, sender) = try coordinator.receive() {
      switch body {
      case .chunkRequest(let request):
        #expect(request.unit == unit)
        var payload = try bytes(request)
        let digest = ModelDigest(sha256: payload.rawSpan)
        change(chunk, &payload)
        try coordinator.send(
          .chunkReply(ChunkReply(request: request, sha256: digest)), payload: payload, to: sender)
        chunk += 1
      case .refusal, .ready: return body
      default: break
      }
      if worker.log.contain("Holding") { return nil }
    }
    return nil
  }

  @Test func `a chunk that is never right is refused after four tries`() throws {
    let coordinator = try FakeCoordinator()
    let worker = ThreadWorker(join: coordinator.router.endpoint, model: nil)
    let report = try serve(worker, coordinator) { $1[$1.count / 2] ^= 1 }
    let text =
      "layer 1, group 1, byte 0: a chunk of the weights is not what its SHA-256 says, 4 times; "
      + "check the network, or copy the model file to this machine and pass --model"
    #expect(report == .refusal(Refusal(.load, text)))
    let error = #expect(throws: WorkerError.self) { try worker.waitForEnd()?.get() }
    #expect(error?.description == text)
  }

  @Test func `a chunk that is cut short is refused too`() throws {
    let coordinator = try FakeCoordinator()
    let worker = ThreadWorker(join: coordinator.router.endpoint, model: nil)
    let report = try serve(worker, coordinator) { $1.removeLast() }
    guard case .refusal(let refusal) = report else {
      Issue.record("\(String(describing: report))")
      return
    }
    #expect(refusal.text.contains("is not what its SHA-256 says"))
    worker.stop()
  }

  /// What was asked for over a connection that went down, or that the library had given up because
  /// bytes changed on the way, was asked for again over the same one, after 10 s of silence each time.
  @Test func `a transfer goes on over another connection when one falls silent`() throws {
    let coordinator = try FakeCoordinator()
    let worker = ThreadWorker(join: coordinator.router.endpoint, model: nil)
    let peer = try #require(try coordinator.welcome(model))
    try coordinator.send(.assignment(Assignment(origin: .transfer, units: [unit])), to: peer)
    var silent: RoutingID?
    var other: RoutingID?
    while !worker.log.contain("Holding") {
      guard let (body, sender) = try coordinator.receive() else { break }
      guard case .chunkRequest(let request) = body else { continue }
      silent = silent ?? sender
      guard sender != silent else { continue }
      other = sender
      try give(request, to: sender, coordinator)
      // The data socket does not exist, so that the worker does not get further than this.
      break
    }
    #expect(silent != nil && other != nil)
    worker.stop()
  }

  /// All that had come was thrown away when the coordinator went, and what was held before with it.
  @Test func `a load that was cut short goes on under the next coordinator`() throws {
    let coordinator = try FakeCoordinator()
    let worker = ThreadWorker(join: coordinator.router.endpoint, model: nil)
    defer { worker.stop() }
    let first = PlacementUnit(layer: unit.layer, group: GroupIndex(0))
    let assignment = Assignment(origin: .transfer, units: [first, unit])
    let peer = try #require(try coordinator.welcome(model))
    try coordinator.send(.assignment(assignment), to: peer)
    while let (body, sender) = try coordinator.receive() {
      guard case .chunkRequest(let request) = body else { continue }
      guard request.unit == first else { break }
      try give(request, to: sender, coordinator)
    }
    try coordinator.send(.shutdown(exit: false, text: "enough"), to: peer)
    let again = try #require(try coordinator.welcome(model))
    let incarnation = coordinator.incarnation
    try coordinator.send(.assignment(assignment), to: again)
    var asked: PlacementUnit?
    while asked == nil, let (body, _) = try coordinator.receive() {
      guard case .chunkRequest(let request) = body, coordinator.incarnation == incarnation else {
        continue
      }
      asked = request.unit
    }
    #expect(asked == unit)
    #expect(worker.log.contain("Kept 1 expert groups in memory"), "\(worker.log.all)")
  }

  @Test func `patience grows with silence and with what chunks take, up to a limit`() {
    var patience = TransferPatience(most: .seconds(10), at: .seconds(5))
    #expect(!patience.isExhausted(at: .seconds(6)) && patience.isExhausted(at: .seconds(7)))
    var time = Duration.seconds(7)
    var waits: [Duration] = []
    while patience.tryAgain(at: time) {
      var wait = Duration.zero
      while !patience.isExhausted(at: time + wait) { wait += .seconds(1) }
      waits.append(wait - .seconds(1))
      time += wait
    }
    #expect(waits == [2, 4, 8, 10, 10, 10].map { .seconds($0) })
    patience.arrived(at: time + .seconds(2))
    #expect(!patience.isExhausted(at: time + .seconds(10)), "four times what that one took")
    #expect(patience.isExhausted(at: time + .seconds(11)))
    // Where chunks are slow, the next read does not break a connection to find that out again.
    patience.begin(at: .seconds(100))
    #expect(!patience.isExhausted(at: .seconds(104)) && patience.isExhausted(at: .seconds(105)))
    for read in 0..<3 { patience.begin(at: .seconds(200 + read)) }
    #expect(patience.isExhausted(at: .seconds(204)), "one slow chunk is forgotten")
    patience = TransferPatience(most: .milliseconds(500), at: .zero)
    #expect(patience.isExhausted(at: .milliseconds(501)))
  }

  @Test func `a group that does not exist is refused`() throws {
    let coordinator = try FakeCoordinator()
    let worker = ThreadWorker(join: coordinator.router.endpoint, model: nil)
    let peer = try #require(try coordinator.welcome(model))
    let strange = PlacementUnit(layer: LayerIndex(999), group: GroupIndex(0))
    try coordinator.send(.assignment(Assignment(origin: .transfer, units: [strange])), to: peer)
    let text = "layer 999, group 0 was assigned, but the model has no such"
    #expect(try coordinator.receive()?.0 == .refusal(Refusal(.load, text)))
    let error = #expect(throws: WorkerError.self) { try worker.waitForEnd()?.get() }
    #expect(error?.description == text)
  }

  @Test func `a coordinator that speaks another protocol ends the worker with a clear line`()
    throws
  {
    let coordinator = try FakeCoordinator()
    let worker = ThreadWorker(join: coordinator.router.endpoint, model: nil)
    let (_, peer) = try #require(try coordinator.receive())
    try coordinator.send([[8, 2, 17, 1, 0, 0, 0, 0, 0, 0, 0, 24, 0], []], to: peer)
    let error = #expect(throws: WorkerError.self) { try worker.waitForEnd()?.get() }
    #expect(
      error?.description
        == "refused by the coordinator at \(coordinator.router.endpoint): the peer "
        + "speaks protocol 2, this build speaks 1; run the same release of conclave on every machine"
    )
  }

  @Test func `garbage from a coordinator is dropped and the worker stays`() throws {
    let coordinator = try FakeCoordinator()
    let worker = ThreadWorker(join: coordinator.router.endpoint, model: nil)
    let (_, peer) = try #require(try coordinator.receive())
    try coordinator.send([[1, 2, 3], []], to: peer)
    try coordinator.send([[]], to: peer)
    try coordinator.send(.shutdown(exit: true, text: "enough"), to: peer)
    #expect(throws: Never.self) { try worker.waitForEnd()?.get() }
    #expect(worker.log.contain("Dropped a message of"))
    #expect(worker.log.contain("The coordinator ends: enough"))
  }

  /// A worker that its coordinator did not know any more took the refusal of a chunk for a failure that
  /// joining again does not cure, and its process ended.
  @Test func `a worker whose chunk is refused because nobody knows it joins again`() throws {
    let coordinator = try FakeCoordinator()
    let worker = ThreadWorker(join: coordinator.router.endpoint, model: nil)
    defer { worker.stop() }
    let peer = try #require(try coordinator.welcome(model))
    let first = coordinator.incarnation
    try coordinator.send(.assignment(Assignment(origin: .transfer, units: [unit])), to: peer)
    var isRefused = false
    var hasJoinedAgain = false
    while !hasJoinedAgain, let (body, sender) = try coordinator.receive() {
      switch body {
      case .chunkRequest where !isRefused:
        isRefused = true
        try coordinator.send(.refusal(Refusal(.unknown, "who is that?")), to: sender)
      case .hello: hasJoinedAgain = coordinator.incarnation != first
      default: break
      }
    }
    #expect(hasJoinedAgain && !worker.hasEnded)
    #expect(worker.log.contain("Joining anew: who is that?"), "\(worker.log.all)")
  }

  /// The units of a worker may change while it asks for one of them: refusing what was not its own any
  /// more made it give up.
  @Test func `a coordinator gives its workers any chunk of the experts, and strangers none`() throws
  {
    let coordinator = try makeCoordinator(model.served, workers: 2)
    defer { coordinator.shutdown() }
    let dealer = try DealerSocket(
      try TransportContext(), connect: coordinator.endpoint, as: .random(), .control)
    let worker = Incarnation.random()
    let hello = Hello(
      name: "asking", memoryBudget: 1 << 30, cores: 1, instructionSet: "scalar",
      memoryBandwidth: 0, numericsProfile: testKernels.numericsProfile, modelDigest: nil,
      software: "test")
    guard case .welcome? = try reply(to: .hello(hello), of: worker, dealer, coordinator) else {
      Issue.record("not welcomed")
      return
    }
    let request = ChunkRequest(unit: unit, offset: 0, count: 10)
    let payload = try bytes(request)
    let digest = ModelDigest(sha256: payload.rawSpan)
    #expect(
      try reply(to: .chunkRequest(request), of: worker, dealer, coordinator)
        == .chunkReply(ChunkReply(request: request, sha256: digest)))
    let strange = ChunkRequest(
      unit: PlacementUnit(layer: LayerIndex(99), group: GroupIndex(1)), offset: 0, count: 10)
    #expect(
      try reply(to: .chunkRequest(strange), of: worker, dealer, coordinator)
        == .refusal(
          Refusal(.load, "layer 99, group 1 was asked for, but the model has no such")))
    #expect(
      try reply(to: .chunkRequest(request), of: .random(), dealer, coordinator)
        == .refusal(
          Refusal(.unknown, "this coordinator does not know that worker; it joins again")))
  }

  /// What a coordinator that gathers answers to a message, besides signs of life.
  private func reply(
    to body: ControlMessage.Body, of incarnation: Incarnation, _ dealer: DealerSocket,
    _ coordinator: ClusterCoordinator
  ) throws -> ControlMessage.Body? {
    let codec = MessageCodec()
    var frame: [UInt8] = []
    try codec.encode(
      ControlMessage(incarnation: incarnation, epoch: Epoch(rawValue: 1), body: body),
      into: &frame)
    var message = Multipart()
    repeat {
      message.removeAll()
      try message.append(frame)
      try message.append(byteCount: 0)
      try coordinator.step()
    } while try !dealer.send(&message)
    for _ in 0..<1_000 {
      try coordinator.step()
      guard try dealer.receive(&message, timeout: .milliseconds(10)) else { continue }
      let answer = try codec.decodeControl(message.frame(0)).body
      if case .progressAck = answer { continue }
      return answer
    }
    return nil
  }
}
