import Foundation
import Messages
import Telemetry
import Transport

/// Echoes over a plain TCP connection, on a thread of its own, while the coordinator measures.
enum EchoResponder {
  /// How long the connection may be silent before it is given up.
  private static let patience: Duration = .seconds(60)

  /// Connects to the coordinator, in the background; ends with the connection.
  static func start(at endpoint: TCPEndpoint, token: UInt64) {
    let thread = Thread {
      // The coordinator notices what is missing and says so.
      guard let socket = try? TCPSocket.connect(to: endpoint) else { return }
      socket.setTimeout(patience)
      var bytes = EchoFrame.bytes(ofToken: token)
      guard (try? socket.writeAll(bytes, count: bytes.count)) != nil else { return }
      while (try? answer(on: socket, &bytes)) == true {}
    }
    thread.name = "echo"
    thread.start()
  }

  /// Answers one request; false when it is none.
  private static func answer(on socket: TCPSocket, _ bytes: inout [UInt8]) throws -> Bool {
    grow(&bytes, to: EchoFrame.Reply.byteCount)
    try socket.readAll(into: &bytes, count: EchoFrame.Request.byteCount)
    guard let request = EchoFrame.Request(bytes) else { return false }
    grow(
      &bytes, to: EchoFrame.Reply.byteCount + max(request.payloadByteCount, request.echoByteCount))
    try socket.readAll(into: &bytes, count: request.payloadByteCount)
    let receivedAt = MonotonicTime.nanoseconds
    let reply = EchoFrame.Reply(
      number: request.number, receivedAt: receivedAt, repliedAt: MonotonicTime.nanoseconds,
      payloadByteCount: request.echoByteCount,
      retransmitCount: request.echoByteCount > 0 ? socket.information?.retransmitCount ?? 0 : 0)
    reply.write(to: &bytes)
    try socket.writeAll(bytes, count: EchoFrame.Reply.byteCount + request.echoByteCount)
    return true
  }

  private static func grow(_ bytes: inout [UInt8], to count: Int) {
    if bytes.count < count { bytes += [UInt8](repeating: 0, count: count - bytes.count) }
  }
}
