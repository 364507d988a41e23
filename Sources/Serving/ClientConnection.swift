import HTTPTypes
import Hummingbird
import Inference
import Logging
import NIOCore
import NIOHTTPTypes
import Synchronization

/// The context of a request: what Hummingbird needs, and the connection it came by.
struct ServingContext: RequestContext {
  var coreContext: CoreRequestContextStorage
  let client: ClientConnection
  let caller = Caller()

  /// Whose requests these are; streams of one are not found by another.
  var owner: String? { caller.account?.name }

  init(source: ApplicationRequestContextSource) {
    coreContext = CoreRequestContextStorage(source: source)
    client = ClientConnection(channel: source.channel)
  }
}

/// The connection of a client that waits for an answer.
struct ClientConnection: Sendable {
  private let channel: any Channel

  init(channel: any Channel) {
    self.channel = channel
  }

  /// Where the client is, without its port; "" where that is not known.
  var address: String { channel.remoteAddress?.ipAddress ?? "" }

  /// Whether the client runs on the server's machine.
  var isOfThisMachine: Bool {
    let address = address
    return address.hasPrefix("127.") || address == "::1" || address.hasPrefix("::ffff:127.")
  }

  /// Tells a client that waits with its body to send it (status 100).
  func continueRequest() {
    channel.writeAndFlush(HTTPResponsePart.head(HTTPResponse(status: .continue)), promise: nil)
  }

  /// Runs `body` and cancels `generations` as soon as the client goes away.
  func cancelling<Value>(
    _ generations: [Generation], during body: () async throws -> Value
  ) async throws -> Value {
    let watch = try? await channel.pipeline.handler(type: ClientWatch.self).get()
    watch?.arm { for generation in generations { generation.cancel() } }
    defer { watch?.disarm() }
    do {
      return try await body()
    } catch {
      throw watch?.isGone == true ? APIError.clientGone : error
    }
  }

  /// Calls `action` again and again while `body` runs.
  func every<Value>(
    _ interval: Duration, _ action: @escaping @Sendable () -> Void,
    during body: () async throws -> Value
  ) async throws -> Value {
    let delay = TimeAmount(interval)
    let task = channel.eventLoop.scheduleRepeatedTask(initialDelay: delay, delay: delay) { _ in
      action()
    }
    defer { task.cancel() }
    return try await body()
  }

  /// Runs `body` on the connection's own thread: a piece of an answer then wakes one thread, not a
  /// thread of the common pool first that wakes this one to write.
  ///
  /// For short pieces of work only; other connections wait for the same thread.
  func onEventLoop<Value>(_ body: () async throws -> Value) async rethrows -> Value {
    try await withTaskExecutorPreference(
      EventLoopExecutor(channel.eventLoop), operation: body)
  }
}

/// Lets tasks run on an event loop.
private final class EventLoopExecutor: TaskExecutor {
  private let eventLoop: any EventLoop

  init(_ eventLoop: any EventLoop) {
    self.eventLoop = eventLoop
  }

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    eventLoop.execute { [self] in unsafe job.runSynchronously(on: asUnownedTaskExecutor()) }
  }
}

/// Notices that a client has closed its side, even while nothing is read from or written to it.
///
/// A client that only ends its sending half counts as gone too: none is known to do that while it
/// waits for an answer.
final class ClientWatch: ChannelInboundHandler, RemovableChannelHandler, Sendable {
  typealias InboundIn = NIOAny

  private struct State {
    var isGone = false
    var action: (@Sendable () -> Void)?
  }

  private let state = Mutex(State())

  /// Whether the client has gone.
  var isGone: Bool { state.withLock { $0.isGone } }

  /// Sets what happens when the client goes, at once if it has gone already.
  func arm(_ action: @escaping @Sendable () -> Void) {
    let isGone = state.withLock { state in
      state.action = action
      return state.isGone
    }
    if isGone { action() }
  }

  func disarm() { state.withLock { $0.action = nil } }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case .some(.inputClosed) = event as? ChannelEvent { clientIsGone() }
    context.fireUserInboundEventTriggered(event)
  }

  func channelInactive(context: ChannelHandlerContext) {
    clientIsGone()
    context.fireChannelInactive()
  }

  private func clientIsGone() {
    let action = state.withLock { state in
      state.isGone = true
      return state.action
    }
    action?()
  }
}
