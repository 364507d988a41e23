import CZeroMQ
import Foundation
import Glibc
import Transport

/// A ZeroMQ dealer without our limits, with a routing id that the library chooses.
@safe
final class RawPeer {
  private let context: UnsafeMutableRawPointer?
  private let socket: UnsafeMutableRawPointer?

  init(_ endpoint: String) throws {
    unsafe context = zmq_ctx_new()
    unsafe socket = zmq_socket(context, ZMQ_DEALER)
    unsafe zmq_connect(socket, endpoint)
  }

  deinit {
    unsafe zmq_close(socket)
    unsafe zmq_ctx_term(context)
  }

  func send(frames: Int) throws {
    for index in 1...frames {
      unsafe zmq_send(socket, "x", 1, index < frames ? ZMQ_SNDMORE : 0)
    }
  }
}

/// A plain TCP connection to a port of this machine.
final class RawConnection {
  private let descriptor: Int32

  init(port: Int) throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    unsafe inet_pton(AF_INET, "127.0.0.1", &address.sin_addr)
    unsafe withUnsafePointer(to: &address) { address in
      _ = unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        unsafe connect(descriptor, address, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
  }

  deinit { close(descriptor) }

  /// Sends what the other end takes; it may have hung up.
  func send(_ bytes: [UInt8]) {
    unsafe _ = Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
  }

  /// Whether the other end hangs up within a time; what it sends is thrown away.
  func isClosed(within limit: Duration) -> Bool {
    let end = ContinuousClock.now + limit
    var buffer = [UInt8](repeating: 0, count: 4096)
    while ContinuousClock.now < end {
      let count = unsafe recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
      if count == 0 || (count < 0 && errno == ECONNRESET) { return true }
      if count < 0 { usleep(2_000) }
    }
    return false
  }

  /// The beginning of a connection by ZMTP 3.0: signature, version, mechanism.
  static func greeting(_ mechanism: String, major: UInt8 = 3) -> [UInt8] {
    var bytes: [UInt8] = [0xFF, 0, 0, 0, 0, 0, 0, 0, 1, 0x7F, major, 0]
    bytes += Array(mechanism.utf8) + [UInt8](repeating: 0, count: 20 - mechanism.utf8.count)
    return bytes + [UInt8](repeating: 0, count: 32)
  }

  /// The rest of the handshake of a peer without keys.
  static let ready: [UInt8] =
    [4, 28, 5] + Array("READY".utf8) + [11] + Array("Socket-Type".utf8) + [0, 0, 0, 6]
    + Array("DEALER".utf8)
}

extension Multipart {
  /// Bytes of a frame.
  func byteCount(of frame: Int) -> Int { self.frame(frame).byteCount }

  /// One byte of a frame.
  func byte(_ offset: Int, of frame: Int) -> UInt8 {
    unsafe self.frame(frame).unsafeLoad(fromByteOffset: offset, as: UInt8.self)
  }
}

extension [UInt8] {
  /// The bytes without their type.
  var rawSpan: RawSpan {
    @_lifetime(borrow self)
    borrowing get { unsafe span.bytes }
  }
}
