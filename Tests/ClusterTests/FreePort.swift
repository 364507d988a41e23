import Glibc
import Synchronization
import Testing

/// Ports for processes that must be told one before they listen.
///
/// They lie below those that the system hands out to whoever connects, and each is given once: a
/// port that was free a moment ago may be another test's by now.
enum FreePort {
  private static let range = 10_000..<30_000
  private static let next = Atomic<Int>(Int.random(in: range))

  static func take() throws -> Int {
    let ports = range.lazy.map { _ in
      range.lowerBound + next.wrappingAdd(1, ordering: .relaxed).oldValue % range.count
    }
    return try #require(ports.first(where: isFree), "no port from \(range) is free")
  }

  private static func isFree(_ port: Int) -> Bool {
    let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(socket) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    return unsafe withUnsafePointer(to: &address) { address in
      unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe bind(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
  }
}
