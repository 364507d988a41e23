import Experts
import Messages
import ModelFiles
import Placement
import Tensors

/// One valid message of each kind, for round trips and mutations.
enum Samples {
  static let digest = ModelDigest(sha256: [1, 2, 3].rawSpan)
  static let incarnation = Incarnation.random()
  static let request = ChunkRequest(
    unit: .init(layer: LayerIndex(3), group: GroupIndex(7)), offset: 4 << 20, count: 4 << 20)
  static let call = Call(step: 7, number: 1 << 40, layer: 59, attempt: 2)

  static let hello = Hello(
    name: "größe:42", memoryBudget: 20 << 30, cores: 8, instructionSet: "avx512",
    memoryBandwidth: 40_000_000_000, numericsProfile: "q8b32-i16/1", modelDigest: digest,
    software: "0.1.0")

  static let geometry = try? ExpertGeometry(
    shape: ExpertShape(
      hiddenSize: 5_120, expertIntermediateSize: 1_536, expertCount: 160, expertsPerToken: 6,
      moeLayers: 1..<60, modelGroupCount: 8),
    layerFormats: (1..<60).map {
      ExpertFormats(gate: .q4K, up: .q4K, down: $0 % 2 == 0 ? .q6K : .q4K)
    })

  /// The same where workers hold shared experts, too.
  static let sharedGeometry = geometry.flatMap { geometry in
    try? ExpertGeometry(
      shape: geometry.shape, layerFormats: geometry.layerFormats,
      shared: SharedExperts(
        intermediateSize: 3_072,
        layerFormats: geometry.layers.map {
          ExpertFormats(gate: .q4K, up: .q5K, down: $0.rawValue % 2 == 0 ? .q4K : .q6K)
        }))
  }

  static let controlBodies: [ControlMessage.Body] = [
    .hello(hello),
    .welcome(
      Welcome(
        worker: WorkerID(2), dataPort: 7_172, modelDigest: digest, geometry: geometry,
        progressMilliseconds: 500, silenceMilliseconds: 10_000)),
    .refusal(Refusal(.memory, "12 GiB are missing; add a worker")),
    .assignment(
      Assignment(
        origin: .transfer,
        units: (1..<60).flatMap { layer in
          (0..<4).map { .init(layer: LayerIndex(layer), group: GroupIndex($0)) }
        })),
    .chunkRequest(request),
    .chunkReply(ChunkReply(request: request, sha256: digest)),
    .progress(
      Progress(
        state: .loading, counter: 99, busyNanoseconds: 1_000_000, loadedGroups: 3,
        assignedGroups: 236, residentBytes: 1 << 34)),
    .progressAck(counter: 99),
    .ready(Ready(residentBytes: 1 << 34, loadedGroups: 236)),
    .drain(text: "the machine is needed elsewhere"),
    .shutdown(exit: true, text: "done"),
    .welcome(
      Welcome(
        worker: WorkerID(3), dataPort: 7_172, modelDigest: digest, geometry: sharedGeometry,
        progressMilliseconds: 500, silenceMilliseconds: 10_000)),
  ]

  static let dispatch = DispatchHeader(
    call: call, rowCount: 512, width: 5_120, entryCount: 1_900, rowFormat: .int8Blocks,
    replyFormat: .int16Blocks, enqueuedAt: 123_456_789)

  static let times = WorkerTimes(
    receivedAt: 1, computeStartedAt: 2, computeEndedAt: 3, repliedAt: 4)

  static let dataBodies: [DataHeader.Body] = [
    .attach, .ping, .dispatch(dispatch),
    .reply(
      ReplyHeader(
        call: call, partialCount: 700, width: 5_120, rowFormat: .int16Blocks, enqueuedAt: 5,
        times: times, error: nil)),
    .reply(
      ReplyHeader(
        call: call, partialCount: 0, width: 5_120, rowFormat: .float32, enqueuedAt: 5,
        times: times, error: "layer 59 is not loaded")),
    .probe(ProbeHeader(number: 1, echoByteCount: 1 << 20, enqueuedAt: 9)),
    .echo(EchoHeader(number: 1, enqueuedAt: 9, receivedAt: 10, repliedAt: 11)),
    .measure(MeasureHeader(port: 7_173, token: .max)),
    .measure(MeasureHeader(port: 7_173, token: 1, carrier: .zeromq)),
    .measure(
      MeasureHeader(port: 1, token: 2, carrier: .curve(serverKey: Array(repeating: 7, count: 32)))),
  ]

  static func control(_ body: ControlMessage.Body) -> ControlMessage {
    ControlMessage(
      incarnation: incarnation, epoch: Epoch(rawValue: 4), body: body)
  }

  static func data(_ body: DataHeader.Body) -> DataHeader {
    DataHeader(
      incarnation: incarnation, epoch: Epoch(rawValue: 4), model: digest.short,
      checksum: 77, body: body)
  }
}
