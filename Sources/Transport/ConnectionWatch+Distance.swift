import Foundation

extension ConnectionWatch {
  /// The farthest peer's distance as the kernel has measured it; nil without a connection.
  public var distance: ConnectionDistance? {
    var farthest: ConnectionDistance?
    for descriptor in descriptors {
      // A socket that listens has no peer.
      guard let peer = unsafe Self.address(descriptor, getpeername),
        let microseconds = Self.leastRoundTrip(descriptor)
      else { continue }
      let isLocal = unsafe Self.address(descriptor, getsockname) == peer
      farthest = ConnectionDistance(
        roundTripSeconds: max(farthest?.roundTripSeconds ?? 0, Double(microseconds) * 1e-6),
        leavesMachine: (farthest?.leavesMachine ?? false) || !isLocal)
    }
    return farthest
  }

  private typealias NameCall = (
    Int32, UnsafeMutablePointer<sockaddr>?, UnsafeMutablePointer<socklen_t>?
  ) -> Int32

  /// The bytes of one end's address, without its port.
  private static func address(_ descriptor: Int32, _ call: NameCall) -> [UInt8]? {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let result = unsafe withUnsafeMutablePointer(to: &storage) { storage in
      unsafe storage.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe call(descriptor, $0, &length)
      }
    }
    guard result == 0 else { return nil }
    return unsafe withUnsafeBytes(of: storage) { bytes in
      switch Int32(storage.ss_family) {
      case AF_INET: unsafe Array(bytes[4..<8])
      case AF_INET6: unsafe Array(bytes[8..<24])
      default: nil
      }
    }
  }

  /// `tcpi_min_rtt` of Linux' `tcp_info`, in microseconds, which older headers lack.
  private static func leastRoundTrip(_ descriptor: Int32) -> UInt32? {
    var words = [UInt32](repeating: 0, count: 64)
    var length = socklen_t(words.count * 4)
    let place = 37  // in words: after 8 bytes, 24 words of 32 bits, four of 64, three of 32
    let result = unsafe getsockopt(descriptor, Int32(IPPROTO_TCP), TCP_INFO, &words, &length)
    guard result == 0, Int(length) >= (place + 1) * 4, words[place] < .max else { return nil }
    return words[place]
  }
}

/// How far the peers of a socket are.
public struct ConnectionDistance: Sendable, Hashable {
  /// The least time that any segment took there and back, of the farthest peer.
  public let roundTripSeconds: Double
  /// Whether a peer is another machine.
  public let leavesMachine: Bool
}
