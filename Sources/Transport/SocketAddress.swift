import Glibc

/// An endpoint as the kernel takes it.
struct SocketAddress {
  private(set) var storage = sockaddr_storage()
  private(set) var length = socklen_t(MemoryLayout<sockaddr_storage>.size)

  /// Room for an address that the kernel fills in.
  init() {}

  /// Looks the host up; the first address that it has is taken.
  init(_ endpoint: TCPEndpoint) throws(TransportError) {
    var hints = unsafe addrinfo()
    unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    unsafe hints.ai_flags = AI_NUMERICSERV
    var list: UnsafeMutablePointer<addrinfo>?
    let failure = unsafe getaddrinfo(endpoint.host, "\(endpoint.port)", &hints, &list)
    defer { unsafe freeaddrinfo(list) }
    guard failure == 0, let first = unsafe list?.pointee, let address = unsafe first.ai_addr,
      unsafe Int(first.ai_addrlen) <= MemoryLayout<sockaddr_storage>.size
    else { throw TransportError(.connect, endpoint.description, code: EADDRNOTAVAIL) }
    length = unsafe first.ai_addrlen
    unsafe withUnsafeMutableBytes(of: &storage) {
      unsafe $0.copyMemory(
        from: UnsafeRawBufferPointer(start: address, count: Int(first.ai_addrlen)))
    }
  }

  var family: Int32 { Int32(storage.ss_family) }

  /// The bytes of the host's address; nil for other families than the internet's.
  var host: [UInt8]? {
    unsafe withUnsafeBytes(of: storage) { bytes in
      switch family {
      case AF_INET: unsafe Array(bytes[4..<8])
      case AF_INET6: unsafe Array(bytes[8..<24])
      default: nil
      }
    }
  }

  /// The port, by either family.
  var port: Int {
    unsafe withUnsafeBytes(of: storage) {
      unsafe Int(UInt16(bigEndian: $0.load(fromByteOffset: 2, as: UInt16.self)))
    }
  }

  /// Lends the address to a system call.
  func with<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
    unsafe withUnsafePointer(to: storage) {
      unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe body($0, length) }
    }
  }

  /// Lets a system call fill the address in.
  mutating func fill(
    _ body: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32
  ) -> Int32 {
    length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    return unsafe withUnsafeMutablePointer(to: &storage) { storage in
      unsafe storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        unsafe withUnsafeMutablePointer(to: &length) { unsafe body(address, $0) }
      }
    }
  }
}
