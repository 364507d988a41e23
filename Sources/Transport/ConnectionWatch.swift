import Foundation
import Synchronization

/// Ends connections to a port that send more than any message has, without completing one.
///
/// The library keeps the frames of a message until the last one has come, however many there are: a
/// peer that was let in could fill the memory with one message. The kernel knows how many bytes each
/// connection has brought, and whoever receives knows which have brought messages.
public final class ConnectionWatch: Sendable {
  private struct State {
    var messages: [Int32: UInt64] = [:]  // by descriptor: messages that were received
    var seen: [Int32: Seen] = [:]
    var cutCount = 0
  }

  /// A connection when it was last found to get on.
  private struct Seen {
    var messages: UInt64
    var byteCount: UInt64
  }

  private let port: Int
  private let limit: UInt64
  private let state = Mutex(State())

  /// Watches the connections that were made to `port` of this process.
  ///
  /// - Parameters:
  ///   - port: Where the connections were made to.
  ///   - limit: Bytes that may come between two messages.
  init(port: Int, limit: Int) {
    self.port = port
    self.limit = UInt64(max(limit, 0))
  }

  /// Connections that were ended.
  public var cutCount: Int { state.withLock { $0.cutCount } }

  /// A message came by that connection.
  func received(on descriptor: Int32) {
    state.withLock { $0.messages[descriptor, default: 0] &+= 1 }
  }

  /// Looks at every connection; from any thread, several times a second.
  public func check() {
    let connections = descriptors
    state.withLock { state in
      var seen: [Int32: Seen] = [:]
      for descriptor in connections {
        guard let byteCount = Self.receivedByteCount(descriptor) else { continue }
        let now = Seen(messages: state.messages[descriptor] ?? 0, byteCount: byteCount)
        let last = state.seen[descriptor] ?? Seen(messages: now.messages, byteCount: 0)
        // A descriptor may have a new owner, who has brought less.
        let getsOn = now.messages != last.messages || byteCount < last.byteCount
        seen[descriptor] = getsOn ? now : last
        guard !getsOn, byteCount - last.byteCount > limit else { continue }
        shutdown(descriptor, Int32(SHUT_RDWR))
        state.cutCount += 1
        seen[descriptor] = now
      }
      state.seen = seen
      state.messages = state.messages.filter { seen[$0.key] != nil }
    }
  }

  /// The connections to the port.
  var descriptors: [Int32] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
    return names.compactMap { Int32($0) }.filter { Self.localPort($0) == self.port }
  }

  /// The port of this end; nil for what is no connection of TCP.
  private static func localPort(_ descriptor: Int32) -> Int? {
    var address = SocketAddress()
    guard unsafe address.fill({ unsafe getsockname(descriptor, $0, $1) }) == 0 else { return nil }
    return address.host == nil ? nil : address.port
  }

  /// `tcpi_bytes_received` of Linux' `tcp_info`, which older headers lack.
  private static func receivedByteCount(_ descriptor: Int32) -> UInt64? {
    var words = [UInt64](repeating: 0, count: 32)
    var length = socklen_t(words.count * 8)
    let place = 16  // in words: after 8 bytes, 24 words of 32 bits, and three of 64
    let result = unsafe getsockopt(descriptor, Int32(IPPROTO_TCP), TCP_INFO, &words, &length)
    return result == 0 && Int(length) >= (place + 1) * 8 ? words[place] : nil
  }
}
