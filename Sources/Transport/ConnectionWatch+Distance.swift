import Foundation

extension ConnectionWatch {
  /// The farthest peer's distance as the kernel has measured it; nil without a connection.
  public var distance: ConnectionDistance? {
    var farthest: ConnectionDistance?
    for descriptor in descriptors {
      // A socket that listens has no peer.
      var (own, peer) = (SocketAddress(), SocketAddress())
      guard unsafe peer.fill({ unsafe getpeername(descriptor, $0, $1) }) == 0,
        unsafe own.fill({ unsafe getsockname(descriptor, $0, $1) }) == 0, peer.host != nil,
        let microseconds = Self.leastRoundTrip(descriptor)
      else { continue }
      farthest = ConnectionDistance(
        roundTripSeconds: max(farthest?.roundTripSeconds ?? 0, Double(microseconds) * 1e-6),
        leavesMachine: (farthest?.leavesMachine ?? false) || own.host != peer.host)
    }
    return farthest
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
