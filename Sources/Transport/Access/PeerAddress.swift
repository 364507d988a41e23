import Foundation

/// The other end of a connection of the kernel's.
enum PeerAddress {
  /// The address without its port, as the library writes it; nil for what is no connection.
  static func text(of descriptor: Int32) -> String? {
    var peer = SocketAddress()
    guard unsafe peer.fill({ unsafe getpeername(descriptor, $0, $1) }) == 0 else { return nil }
    var name = [CChar](repeating: 0, count: Int(NI_MAXHOST))
    let failure = unsafe peer.with {
      unsafe getnameinfo($0, $1, &name, socklen_t(name.count), nil, 0, Int32(NI_NUMERICHOST))
    }
    guard failure == 0 else { return nil }
    return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
