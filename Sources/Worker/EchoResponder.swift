import Foundation
import Logging
import Messages
import Telemetry
import Transport

/// Echoes over connections of their own, each on a thread, while the coordinator measures.
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

  /// Connects to the coordinator by ZeroMQ, as the data connection does, and answers its probes.
  static func start(_ work: ComputeThread.Work, _ logger: Logger) {
    let thread = Thread {
      // A context of its own, so that nothing waits for this thread.
      guard let context = try? TransportContext(),
        var server = try? DataServer(work, context: context)
      else { return }
      let status = WorkerStatus()
      var lastHeard = MonotonicTime.now
      let isWanted = { MonotonicTime.now - lastHeard < patience }
      guard (try? server.attach(while: isWanted)) != nil else { return }
      while isWanted() {
        guard let came = try? server.serve(status, logger, timeout: .milliseconds(500)) else {
          return
        }
        if came { lastHeard = MonotonicTime.now }
      }
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
