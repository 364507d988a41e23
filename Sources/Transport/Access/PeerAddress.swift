import Foundation

/// The other end of a connection of the kernel's.
enum PeerAddress {
  /// The address without its port, as the library writes it; nil for what is no connection.
  static func text(of descriptor: Int32) -> String? {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    var name = [CChar](repeating: 0, count: Int(NI_MAXHOST))
    let failure = unsafe withUnsafeMutablePointer(to: &storage) { storage in
      unsafe storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        unsafe getpeername(descriptor, address, &length) != 0
          ? -1
          : getnameinfo(
            address, length, &name, socklen_t(name.count), nil, 0, Int32(NI_NUMERICHOST))
      }
    }
    guard failure == 0 else { return nil }
    return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
