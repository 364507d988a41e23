import Experts
import Messages
import Placement
import Testing

@Suite struct RoundTripTests {
  let codec = MessageCodec()

  @Test(arguments: Samples.controlBodies.indices)
  func `a control message comes back as it was`(sample: Int) throws {
    let body = Samples.controlBodies[sample]
    var bytes: [UInt8] = []
    try codec.encode(Samples.control(body), into: &bytes)
    #expect(Samples.geometry != nil && Samples.sharedGeometry?.shared != nil)
    #expect(bytes.count <= WireLimits.controlByteCount)
    #expect(try codec.decodeControl(bytes.rawSpan) == Samples.control(body))
  }

  @Test(arguments: Samples.dataBodies.indices)
  func `a data header comes back as it was`(sample: Int) throws {
    let body = Samples.dataBodies[sample]
    var bytes: [UInt8] = Array(repeating: 9, count: 3_000)
    try codec.encode(Samples.data(body), into: &bytes)
    #expect(bytes.count < 200)
    #expect(try codec.decodeData(bytes.rawSpan) == Samples.data(body))
  }

  @Test func `a dense model has no geometry and a worker may have no file`() throws {
    var hello = Samples.hello
    hello.modelDigest = nil
    let welcome = Welcome(
      worker: WorkerID(0), dataPort: 1, modelDigest: Samples.digest, geometry: nil,
      progressMilliseconds: 10, silenceMilliseconds: 100)
    for body in [ControlMessage.Body.hello(hello), .welcome(welcome)] {
      var bytes: [UInt8] = []
      try codec.encode(Samples.control(body), into: &bytes)
      #expect(try codec.decodeControl(bytes.rawSpan).body == body)
    }
  }

  @Test func `the largest assignment fits into a control message`() throws {
    let units = (0..<WireLimits.assignedGroupCount).map {
      PlacementUnit(layer: LayerIndex($0 / 1_024), group: GroupIndex($0 % 1_024))
    }
    let message = Samples.control(.assignment(Assignment(origin: .ownFile, units: units)))
    var bytes: [UInt8] = []
    try codec.encode(message, into: &bytes)
    #expect(try codec.decodeControl(bytes.rawSpan) == message)
  }

  @Test func `text becomes one line that fits`() {
    #expect("a\nb\0c".wireLine == "a b c")
    #expect("".wireLine == "(no text)")
    let long = String(repeating: "é", count: 400).wireLine
    #expect(long.utf8.count == 512)
    #expect(Refusal(.load, long + long).text == long)
  }
}
