import CZeroMQ
import Foundation

/// Decides over every connection before it may send anything: the thread that ZeroMQ's I/O threads ask
/// (ZAP, RFC 27).
///
/// Without it the library would let in everybody who knows the server's public key.
@safe
final class AuthenticationServer: @unchecked Sendable {  // its socket belongs to its thread
  private static let endpoint = "inproc://zeromq.zap.01"
  private static let maxFieldByteCount = 256
  private static let fieldCount = 7

  private let socket: UnsafeMutableRawPointer
  private let allowList: AllowList
  private let ended = DispatchSemaphore(value: 0)

  /// Starts the thread; it ends with the context.
  init(
    context: UnsafeMutableRawPointer, allowList: AllowList
  ) throws(TransportError) {
    guard let socket = unsafe zmq_socket(context, ZMQ_REP) else {
      throw TransportError(.start, Self.endpoint)
    }
    unsafe self.socket = unsafe socket
    self.allowList = allowList
    var (linger, timeout): (Int32, Int32) = (0, AllowList.checkInterval.milliseconds / 2)
    unsafe zmq_setsockopt(socket, ZMQ_LINGER, &linger, MemoryLayout<Int32>.size)
    unsafe zmq_setsockopt(socket, ZMQ_RCVTIMEO, &timeout, MemoryLayout<Int32>.size)
    guard unsafe zmq_bind(socket, Self.endpoint) == 0 else {
      let error = TransportError(.start, Self.endpoint)
      unsafe zmq_close(socket)
      throw error
    }
    let thread = Thread { [self] in
      while step() {}
      unsafe zmq_close(self.socket)
      ended.signal()
    }
    thread.name = "access"
    thread.start()
  }

  /// Waits until the thread has ended, which it does once its context ends.
  func waitForEnd() { ended.wait() }

  /// Answers at most one question; false when the context ends.
  private func step() -> Bool {
    var fields: [[UInt8]] = []
    repeat {
      var field = [UInt8](repeating: 0, count: Self.maxFieldByteCount)
      let count = unsafe zmq_recv(socket, &field, field.count, 0)
      guard count >= 0 else {
        guard Socket.nothingCame else { return false }
        allowList.refresh()
        return true
      }
      if fields.count < Self.fieldCount { fields.append(Array(field.prefix(Int(count)))) }
    } while moreFollows
    allowList.refresh()
    return answer(fields)
  }

  private var moreFollows: Bool {
    var more: Int32 = 0
    var size = MemoryLayout<Int32>.size
    return unsafe zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &size) == 0 && more != 0
  }

  private func answer(_ fields: [[UInt8]]) -> Bool {
    let key = admittedKey(fields)
    let reply: [[UInt8]] = [
      Array("1.0".utf8), fields.count > 1 ? fields[1] : [],
      Array((key == nil ? "400" : "200").utf8),
      Array((key == nil ? "this key is not let in" : "welcome").utf8),
      Array((key.map { "\($0)" } ?? "").utf8), [],
    ]
    for (index, field) in reply.enumerated() {
      let flags = index + 1 < reply.count ? ZMQ_SNDMORE : 0
      guard unsafe zmq_send(socket, field, field.count, flags) >= 0 else { return false }
    }
    return true
  }

  /// The key of a question, if its owner is let in.
  ///
  /// Fields: version, request, domain, address, routing id, mechanism, and the client's key.
  private func admittedKey(_ fields: [[UInt8]]) -> PublicKey? {
    guard fields.count == Self.fieldCount, fields[0] == Array("1.0".utf8),
      fields[2] == Array(SocketSecurity.domain.utf8), fields[5] == Array("CURVE".utf8),
      fields[6].count == PublicKey.byteCount, let key = try? PublicKey(bytes: fields[6])
    else { return nil }
    let address = String(decoding: fields[3], as: UTF8.self)
    return allowList.admits(key, from: address) ? key : nil
  }
}
