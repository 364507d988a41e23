import NIOCore
import NIOHTTPTypes
import Synchronization

/// Ends connections that take too long for a request, and refuses those of an address that has
/// enough.
///
/// The server works on one request of a connection at a time; what a client sends ahead waits.
final class ConnectionGuard: ChannelDuplexHandler, RemovableChannelHandler {
  typealias InboundIn = HTTPRequestPart
  typealias OutboundIn = HTTPResponsePart
  typealias OutboundOut = HTTPResponsePart

  private let limits: ConnectionLimits
  private let census: ConnectionCensus
  private let expectsTLS: Bool
  private var progress = ConnectionProgress()
  private var deadline: Scheduled<Void>?
  private var address: String?

  init(_ limits: ConnectionLimits, _ census: ConnectionCensus, expectsTLS: Bool) {
    self.limits = limits
    self.census = census
    self.expectsTLS = expectsTLS
  }

  func handlerAdded(context: ChannelHandlerContext) {
    let watch = ByteWatch { [self] in
      carryOut(progress.bytesArrived(), context)
    }
    do {
      let pipeline = context.pipeline.syncOperations
      if expectsTLS { try pipeline.addHandler(PlainRequestAnswer(), position: .first) }
      try pipeline.addHandler(watch, position: .first)
    } catch {
      context.close(promise: nil)
    }
    if context.channel.isActive { begin(context) }
  }

  func handlerRemoved(context: ChannelHandlerContext) { end() }

  func channelActive(context: ChannelHandlerContext) {
    begin(context)
    context.fireChannelActive()
  }

  func channelInactive(context: ChannelHandlerContext) {
    end()
    context.fireChannelInactive()
  }

  private func begin(_ context: ChannelHandlerContext) {
    guard address == nil else { return }
    let address = context.channel.remoteAddress?.ipAddress ?? ""
    guard census.enter(address, limit: limits.maximumConnectionsPerAddress) else {
      return context.close(promise: nil)
    }
    self.address = address
    carryOut(.set(.head), context)
  }

  private func end() {
    deadline?.cancel()
    deadline = nil
    if let address { census.leave(address) }
    address = nil
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head: carryOut(progress.headArrived(), context)
    case .body: break
    case .end: carryOut(progress.requestEnded(), context)
    }
    context.fireChannelRead(data)
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    if case .end = unwrapOutboundIn(data) { carryOut(progress.answerEnded(), context) }
    context.write(data, promise: promise)
  }

  private func carryOut(_ action: ConnectionProgress.Action, _ context: ChannelHandlerContext) {
    switch action {
    case .none: break
    case .clear:
      deadline?.cancel()
      deadline = nil
    case .set(let phase):
      deadline?.cancel()
      let time = phase == .body ? limits.bodyTimeout : limits.headTimeout
      deadline = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(time)) { [self] in
        if progress.deadlinePassed() {
          context.close(promise: nil)
        } else {
          carryOut(.set(.body), context)
        }
      }
    }
  }
}

/// Tells of bytes before anything decodes them.
private final class ByteWatch: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = NIOAny

  private let onBytes: () -> Void

  init(onBytes: @escaping () -> Void) { self.onBytes = onBytes }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    onBytes()
    context.fireChannelRead(data)
  }
}

/// How many connections each address has.
package final class ConnectionCensus: Sendable {
  private let counts = Mutex<[String: Int]>([:])

  /// Nobody yet.
  package init() {}

  /// Counts a connection; false when the address has enough.
  ///
  /// Those of this machine are never enough.
  package func enter(_ address: String, limit: Int) -> Bool {
    counts.withLock { counts in
      let count = counts[address, default: 0]
      guard count < limit || Self.isLocal(address) else { return false }
      counts[address] = count + 1
      return true
    }
  }

  /// A connection has ended.
  package func leave(_ address: String) {
    counts.withLock { counts in
      guard let count = counts[address] else { return }
      counts[address] = count > 1 ? count - 1 : nil
    }
  }

  /// Addresses that have connections.
  package var addressCount: Int { counts.withLock { $0.count } }

  private static func isLocal(_ address: String) -> Bool {
    address.hasPrefix("127.") || address == "::1" || address.hasPrefix("::ffff:127.")
  }
}
