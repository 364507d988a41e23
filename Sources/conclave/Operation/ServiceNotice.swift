import Foundation
import Glibc

/// Tells a service manager (systemd, `Type=notify`) how far the process is; silent without one.
enum ServiceNotice {
  /// Connections are answered.
  static func ready() { send("READY=1\nSTATUS=Serving") }

  /// The process ends after the requests under way.
  static func stopping() { send("STOPPING=1\nSTATUS=Ending after the requests under way") }

  /// What the process does, for `systemctl status`.
  static func status(_ text: String) { send("STATUS=\(Ending.oneLine(text))") }

  /// Whether the service manager ends a process that does not call `alive` (`WatchdogSec`).
  static var isWatched: Bool { watchdogLimit != nil }

  /// How long it waits for `alive`; nil: for ever.
  static var watchdogLimit: Duration? {
    ProcessInfo.processInfo.environment["WATCHDOG_USEC"].flatMap { Int64($0) }
      .flatMap { $0 > 0 ? .microseconds($0) : nil }
  }

  /// The process gets on with its work.
  static func alive() { send("WATCHDOG=1") }

  /// Sends one datagram to the socket in NOTIFY_SOCKET; a name that starts with @ is abstract.
  static func send(_ text: String) {
    guard let path = ProcessInfo.processInfo.environment["NOTIFY_SOCKET"],
      var address = address(path)
    else { return }
    let socket = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard socket >= 0 else { return }
    defer { close(socket) }
    let length = socklen_t(MemoryLayout<sa_family_t>.size + path.utf8.count)
    let bytes = Array(text.utf8)
    // If nobody listens there is nobody to tell.
    _ = unsafe withUnsafePointer(to: &address) { address in
      unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        unsafe sendto(socket, bytes, bytes.count, Int32(MSG_NOSIGNAL), address, length)
      }
    }
  }

  private static func address(_ path: String) -> sockaddr_un? {
    var address = sockaddr_un()
    var name = Array(path.utf8)
    guard let first = name.first, first == UInt8(ascii: "@") || first == UInt8(ascii: "/"),
      name.count < MemoryLayout.size(ofValue: address.sun_path)
    else { return nil }
    if first == UInt8(ascii: "@") { name[0] = 0 }
    address.sun_family = sa_family_t(AF_UNIX)
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: name) }
    return address
  }
}
