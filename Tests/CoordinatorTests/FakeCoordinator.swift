import Experts
import Foundation
import Kernels
import Messages
import ModelFiles
import Placement
import Tensors
import Transport

/// A coordinator that sends a worker what a test says.
final class FakeCoordinator {
  let router: RouterSocket
  private let context: TransportContext
  private let codec = MessageCodec()
  private var message = Multipart()
  private(set) var incarnation = Incarnation.random()

  init() throws {
    context = try TransportContext()
    router = try RouterSocket(context, bind: "tcp://127.0.0.1:*", .control)
  }

  /// The next message that is no progress, and who sent it; nil when none comes.
  func receive() throws -> (ControlMessage.Body, RoutingID)? {
    for _ in 0..<400 {
      guard let sender = try router.receive(&message, timeout: .milliseconds(50)) else { continue }
      let control = try Self.decode(message, codec)
      incarnation = control.incarnation
      if case .progress = control.body { continue }
      return (control.body, sender)
    }
    return nil
  }

  /// The next report of progress, and the placement that its sender knows; nil when none comes.
  func receiveReport() throws -> (Messages.Progress, Epoch)? {
    for _ in 0..<400 {
      guard try router.receive(&message, timeout: .milliseconds(50)) != nil else { continue }
      let control = try Self.decode(message, codec)
      if case .progress(let progress) = control.body { return (progress, control.epoch) }
    }
    return nil
  }

  private static func decode(
    _ message: borrowing Multipart, _ codec: MessageCodec
  ) throws -> ControlMessage {
    try codec.decodeControl(message.frame(0))
  }

  /// Sends a control message with a payload.
  func send(
    _ body: ControlMessage.Body, payload: [UInt8] = [], to peer: RoutingID
  ) throws {
    var bytes: [UInt8] = []
    try codec.encode(
      ControlMessage(incarnation: incarnation, epoch: Epoch(rawValue: 1), body: body), into: &bytes)
    try send([bytes, payload], to: peer)
  }

  /// Sends any frames.
  func send(_ frames: [[UInt8]], to peer: RoutingID) throws {
    message.removeAll()
    for frame in frames { try message.append(frame) }
    try router.send(&message, to: peer)
  }

  /// Welcomes the first worker that says hello, to experts of another geometry if that is given.
  func welcome(
    _ model: TestModel, geometry: ExpertGeometry? = nil, dataPort: Int = 9
  ) throws -> RoutingID? {
    while let (body, peer) = try receive() {
      guard case .hello = body else { continue }
      try send(
        .welcome(
          Welcome(
            worker: WorkerID(0), dataPort: dataPort, modelDigest: model.archive.digest,
            geometry: geometry ?? model.geometry, progressMilliseconds: 50,
            silenceMilliseconds: 60_000)),
        to: peer)
      return peer
    }
    return nil
  }
}
