import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// Takes pieces from one thread and writes them on another.
protocol Outlet: Sendable {
  var port: Int { get }
  func waitForReader()
  /// Hands a piece over.
  func send()
  /// Processor time of the writing thread so far.
  func writingTime() -> Duration
  func close()
}

/// A thread that sleeps until there is something to write.
final class ConditionOutlet: Outlet {
  private struct State {
    var pieceCount = 0
    var time = Duration.zero
    var isConnected = false
    var isClosed = false
  }

  let port: Int
  private let condition = NSCondition()
  private let state = Mutex(State())

  init(_ byteCount: Int) throws {
    let (listener, port) = try Loopback.listen()
    self.port = port
    Thread { [self] in
      let socket = accept(listener, nil, nil)
      change { $0.isConnected = true }
      let piece = [UInt8](repeating: 100, count: byteCount)
      while waitForPiece() { _ = unsafe write(socket, piece, piece.count) }
      Glibc.close(socket)
      Glibc.close(listener)
    }.start()
  }

  func waitForReader() {
    condition.lock()
    while !state.withLock({ $0.isConnected }) { condition.wait() }
    condition.unlock()
  }

  func send() { change { $0.pieceCount += 1 } }

  func writingTime() -> Duration {
    usleep(50_000)  // the last piece has been written by then
    return state.withLock { $0.time }
  }

  func close() { change { $0.isClosed = true } }

  private func change(_ change: (inout State) -> Void) {
    condition.lock()
    state.withLock { change(&$0) }
    condition.signal()
    condition.unlock()
  }

  /// Sleeps until there is a piece; false at the end.
  private func waitForPiece() -> Bool {
    condition.lock()
    defer { condition.unlock() }
    while true {
      let isOver = state.withLock { state -> Bool? in
        if state.isClosed { return true }
        guard state.pieceCount > 0 else {
          state.time = threadTime()
          return nil
        }
        state.pieceCount -= 1
        return false
      }
      if let isOver { return !isOver }
      condition.wait()
    }
  }
}

/// A NIO event loop and a channel.
final class ChannelOutlet: Outlet {
  let port: Int
  private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
  private let listener: any Channel
  private let connected: EventLoopFuture<any Channel>
  private let channel = Mutex<(any Channel)?>(nil)
  private let piece: ByteBuffer
  private let speaksHTTP: Bool

  init(_ byteCount: Int, speaksHTTP: Bool) throws {
    let promise = group.next().makePromise(of: (any Channel).self)
    connected = promise.futureResult
    listener = try ServerBootstrap(group: group)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          guard speaksHTTP else { return promise.succeed(channel) }
          try channel.pipeline.syncOperations.configureHTTPServerPipeline()
          try channel.pipeline.syncOperations.addHandler(RequestWaiter(promise))
        }
      }.bind(host: "127.0.0.1", port: 0).wait()
    port = listener.localAddress?.port ?? 0
    piece = ByteBuffer(repeating: 100, count: byteCount)
    self.speaksHTTP = speaksHTTP
  }

  func waitForReader() {
    guard let connected = try? connected.wait() else { return }
    channel.withLock { $0 = connected }
    guard speaksHTTP else { return }
    let head = HTTPResponseHead(version: .http1_1, status: .ok)
    connected.writeAndFlush(HTTPServerResponsePart.head(head), promise: nil)
  }

  func send() {
    guard let channel = channel.withLock({ $0 }) else { return }
    if speaksHTTP {
      channel.writeAndFlush(HTTPServerResponsePart.body(.byteBuffer(piece)), promise: nil)
    } else {
      channel.writeAndFlush(piece, promise: nil)
    }
  }

  func writingTime() -> Duration {
    (try? group.next().submit { threadTime() }.wait()) ?? .zero
  }

  func close() {
    try? listener.close().wait()
    try? group.syncShutdownGracefully()
  }
}

/// Waits for the request, as the encoder does not write an answer before.
private final class RequestWaiter: ChannelInboundHandler, Sendable {
  typealias InboundIn = HTTPServerRequestPart
  private let promise: EventLoopPromise<any Channel>

  init(_ promise: EventLoopPromise<any Channel>) { self.promise = promise }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    if case .end = unwrapInboundIn(data) { promise.succeed(context.channel) }
  }
}

/// Sockets of loopback.
enum Loopback {
  static func listen() throws -> (listener: Int32, port: Int) {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = loopback(port: 0)
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = unsafe withUnsafeMutablePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        unsafe bind(listener, address, size) == 0 && Glibc.listen(listener, 1) == 0
          && getsockname(listener, address, &size) == 0
      }
    }
    guard isBound else { throw CocoaError(.fileWriteUnknown) }
    return (listener, Int(UInt16(bigEndian: address.sin_port)))
  }

  static func connect(_ port: UInt16) -> Int32? {
    let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = loopback(port: port)
    let result = unsafe withUnsafeMutablePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe Glibc.connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    return result == 0 ? socket : nil
  }

  private static func loopback(port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    return address
  }
}
