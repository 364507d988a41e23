import Experts
import Foundation
import Kernels
import Messages
import ModelFiles
import Placement
import Telemetry
import Tensors
import Transport

/// A worker that keeps the protocol until it is ready and then does what a test says.
final class ScriptedWorker: Sendable {
  /// A message that the script sends: a header, and the payload frame that goes with it.
  struct Message: Sendable {
    var header: DataHeader
    var payload: [UInt8]
    /// Frames to send instead of what the two above say.
    var frames: [[UInt8]]?
  }

  /// What a worker does with a dispatch, given the honest answer (of zeros).
  typealias Script = @Sendable (_ honest: Message) -> [Message]?

  private let hello: Hello
  private let script: Script
  private let endpoint: String
  private let isStopped = Locked(false)
  private let refusalText = Locked<String?>(nil)
  private let ended = DispatchSemaphore(value: 0)

  /// Joins; a script that returns nil makes the worker vanish.
  init(
    join endpoint: String, change: (inout Hello) -> Void = { _ in }, script: @escaping Script
  ) {
    self.endpoint = endpoint
    self.script = script
    var hello = Hello(
      name: "scripted", memoryBudget: 1 << 30, cores: 1, instructionSet: "scalar",
      memoryBandwidth: 0, numericsProfile: Kernels.numericsProfile, modelDigest: nil,
      software: "test")
    change(&hello)
    self.hello = hello
    let thread = Thread { [self] in
      var peer = ScriptedPeer(endpoint: endpoint, hello: self.hello)
      do { try peer.run(script, isStopped: { isStopped.value }) } catch {
        refusalText.change { $0 = "\(error)" }
      }
      ended.signal()
    }
    thread.start()
  }

  /// Ends it and waits.
  func stop() {
    isStopped.change { $0 = true }
    _ = waitForRefusal()
  }

  /// What it was refused with.
  func waitForRefusal() -> String? {
    if ended.wait(timeout: .now() + 20) == .success { ended.signal() }
    return refusalText.value
  }
}

/// The scripted worker's side of both sockets.
private struct ScriptedPeer: ~Copyable {
  struct Refused: Error, CustomStringConvertible {
    let description: String
  }

  let endpoint: String
  let hello: Hello
  let incarnation = Incarnation.random()
  let codec = MessageCodec()
  var message = Multipart()

  init(endpoint: String, hello: Hello) {
    self.endpoint = endpoint
    self.hello = hello
  }

  mutating func run(_ script: ScriptedWorker.Script, isStopped: () -> Bool) throws {
    let context = try TransportContext()
    let control = try DealerSocket(context, connect: endpoint, as: .random(), .control)
    var welcome: Welcome?
    var data: DealerSocket?
    var epoch = Epoch(rawValue: 0)
    while !isStopped() {
      if welcome == nil { try send(.hello(hello), epoch, control) }
      if data != nil { try send(.progress(progress), epoch, control) }
      if let (body, current) = try receive(control) {
        switch body {
        case .welcome(let found): welcome = found
        case .assignment(let assignment):
          epoch = current
          data = try attach(context, welcome, epoch)
          try send(
            .ready(Ready(residentBytes: 0, loadedGroups: assignment.units.count)), epoch, control)
        case .refusal(let refusal): throw Refused(description: refusal.text)
        case .shutdown: return
        default: break
        }
      }
      if let data, let welcome, try !serve(data, welcome, epoch, script) { return }
    }
  }

  private var progress: Messages.Progress {
    Messages.Progress(
      state: .serving, counter: 0, busyNanoseconds: 0, loadedGroups: 0, assignedGroups: 0,
      residentBytes: 0)
  }

  private mutating func receive(
    _ control: DealerSocket
  ) throws -> (ControlMessage.Body, Epoch)? {
    guard try control.receive(&message, timeout: .milliseconds(10)) else { return nil }
    let decoded = try codec.decodeControl(message.frame(0))
    return (decoded.body, decoded.epoch)
  }

  private mutating func send(
    _ body: ControlMessage.Body, _ epoch: Epoch, _ control: DealerSocket
  ) throws {
    var bytes: [UInt8] = []
    try codec.encode(
      ControlMessage(incarnation: incarnation, epoch: epoch, body: body), into: &bytes)
    message.removeAll()
    try message.append(bytes)
    try message.append(byteCount: 0)
    _ = try control.send(&message)
  }

  private mutating func attach(
    _ context: TransportContext, _ welcome: Welcome?, _ epoch: Epoch
  ) throws -> DealerSocket {
    guard let welcome else { throw Refused(description: "assigned before welcomed") }
    let data = try DealerSocket(
      context, connect: "tcp://127.0.0.1:\(welcome.dataPort)", as: .random(), .data())
    let header = DataHeader(
      incarnation: incarnation, epoch: epoch, model: welcome.modelDigest.short, checksum: 0,
      body: .attach)
    while try !send(.init(header: header, payload: [], frames: nil), data) {
      Thread.sleep(forTimeInterval: 0.01)
    }
    return data
  }

  /// Sends a message with its checksum, or its own frames.
  private mutating func send(
    _ message: ScriptedWorker.Message, _ data: DealerSocket
  ) throws -> Bool {
    var bytes: [UInt8] = []
    try codec.encode(message.header, into: &bytes)
    var multipart = Multipart()
    for frame in message.frames ?? [bytes, [], message.payload] { try multipart.append(frame) }
    return try data.send(&multipart)
  }

  /// Answers at most one dispatch; false when the worker shall vanish.
  private mutating func serve(
    _ data: DealerSocket, _ welcome: Welcome, _ epoch: Epoch, _ script: ScriptedWorker.Script
  ) throws -> Bool {
    guard try data.receive(&message, timeout: .milliseconds(10)) else { return true }
    let header = try codec.decodeData(message.frame(0))
    guard case .dispatch(let dispatch) = header.body, let geometry = welcome.geometry else {
      return true
    }
    var entries: [RoutedEntry] = []
    try DispatchIndex.read(
      message.frame(1), header: dispatch, shape: geometry.shape, into: &entries)
    let count = geometry.partialCount(entries.span)
    let layer = LayerIndex(dispatch.call.layer)
    let payload = [UInt8](repeating: 0, count: count * geometry.replyRowByteCount(layer))
    let now = MonotonicTime.nanoseconds
    let reply = ReplyHeader(
      call: dispatch.call, partialCount: count, width: geometry.hiddenSize,
      rowFormat: dispatch.replyFormat, enqueuedAt: dispatch.enqueuedAt,
      times: WorkerTimes(
        receivedAt: now, computeStartedAt: now, computeEndedAt: now, repliedAt: now), error: nil)
    let honest = ScriptedWorker.Message(
      header: DataHeader(
        incarnation: incarnation, epoch: epoch, model: header.model,
        checksum: checksum(payload), body: .reply(reply)),
      payload: payload)
    guard let answers = script(honest) else { return false }
    for answer in answers { _ = try send(answer, data) }
    return true
  }
}

/// The checksum of a data message without an index.
func checksum(_ payload: [UInt8]) -> UInt64 {
  PayloadChecksum.of(index: RawSpan(), payload: payload.rawSpan)
}

extension ScriptedWorker.Message {
  /// The message with another reply header.
  func reply(_ change: (inout ReplyHeader) -> Void) -> Self {
    guard case .reply(var reply) = header.body else { return self }
    change(&reply)
    var copy = self
    copy.header.body = .reply(reply)
    return copy
  }

  /// The message with another payload and its checksum.
  func payload(_ change: (inout [UInt8]) -> Void) -> Self {
    var copy = self
    change(&copy.payload)
    copy.header.checksum = checksum(copy.payload)
    return copy
  }

  /// The message with another header.
  func header(_ change: (inout DataHeader) -> Void) -> Self {
    var copy = self
    change(&copy.header)
    return copy
  }
}
