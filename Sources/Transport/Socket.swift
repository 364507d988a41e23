import CZeroMQ
import Foundation

/// What router and dealer sockets share: the handle, its options, single frames.
///
/// One thread at a time may use a socket. Handing it to another thread needs a lock, a thread start
/// or another barrier in between.
@safe
final class Socket {
  private let handle: UnsafeMutableRawPointer
  private let context: TransportContext
  private var receiveTimeout: Int32 = -1
  private let polling: UInt64  // nanoseconds
  private var lastArrival: UInt64 = 0
  /// The endpoint, for errors.
  private(set) var name: String

  init(
    _ context: TransportContext, type: Int32, _ options: SocketOptions, endpoint: String
  ) throws(TransportError) {
    guard let handle = unsafe zmq_socket(context.handle, type) else {
      throw TransportError(.start, endpoint)
    }
    unsafe self.handle = unsafe handle
    self.context = context
    name = endpoint
    polling = UInt64(max(0, options.polling / .nanoseconds(1)))
    try set(options)
    try set(options.security)
    if endpoint.contains("[") { try set(ZMQ_IPV6, Int32(1)) }
  }

  deinit { unsafe zmq_close(handle) }

  private func set(_ options: SocketOptions) throws(TransportError) {
    try set(ZMQ_MAXMSGSIZE, options.maxFrameByteCount)
    try set(ZMQ_SNDHWM, options.highWaterMark)
    try set(ZMQ_RCVHWM, options.highWaterMark)
    try set(ZMQ_HANDSHAKE_IVL, options.handshakeTimeout.milliseconds)
    // The library's heartbeats end the process when one is due on a connection that has ended while
    // its queue was full (libzmq issues 3937, 4364, 4767): the kernel finds lost hosts instead.
    try set(ZMQ_HEARTBEAT_IVL, Int32(0))
    try set(ZMQ_LINGER, options.linger.milliseconds)
    try set(ZMQ_TCP_MAXRT, options.lostHostLimit.milliseconds)
    try set(ZMQ_RECONNECT_IVL, options.reconnectPause.lowerBound.milliseconds)
    try set(ZMQ_RECONNECT_IVL_MAX, options.reconnectPause.upperBound.milliseconds)
    try set(ZMQ_TCP_KEEPALIVE, Int32(1))
    try set(ZMQ_TCP_KEEPALIVE_IDLE, Int32(2))
    try set(ZMQ_TCP_KEEPALIVE_INTVL, Int32(1))
    try set(ZMQ_TCP_KEEPALIVE_CNT, Int32(3))
    try set(ZMQ_IMMEDIATE, Int32(1))
  }

  func set<Value: BitwiseCopyable>(_ option: Int32, _ value: Value) throws(TransportError) {
    var value = value
    guard
      unsafe zmq_setsockopt(handle, option, &value, MemoryLayout<Value>.size) == 0
    else { throw TransportError(.start, name) }
  }

  func set(_ option: Int32, bytes: [UInt8]) throws(TransportError) {
    guard unsafe zmq_setsockopt(handle, option, bytes, bytes.count) == 0 else {
      throw TransportError(.start, name)
    }
  }

  /// The number that an option has now.
  func value<Value: FixedWidthInteger>(of option: Int32, as type: Value.Type) -> Value? {
    var value: Value = 0
    var size = MemoryLayout<Value>.size
    return unsafe zmq_getsockopt(handle, option, &value, &size) == 0 ? value : nil
  }

  func bind() throws(TransportError) {
    guard unsafe zmq_bind(handle, name) == 0 else { throw TransportError(.bind, name) }
    var text = [UInt8](repeating: 0, count: 256)
    var count = text.count
    guard unsafe zmq_getsockopt(handle, ZMQ_LAST_ENDPOINT, &text, &count) == 0 else {
      throw TransportError(.bind, name)
    }
    name = String(decoding: text.prefix { $0 != 0 }, as: UTF8.self)
  }

  func connect() throws(TransportError) {
    guard unsafe zmq_connect(handle, name) == 0 else { throw TransportError(.connect, name) }
  }

  /// Begins to watch how connections begin and end.
  func watchConnections() throws(TransportError) -> ConnectionEvents {
    unsafe try ConnectionEvents(context, socket: handle)
  }

  /// How long `receive` blocks; zero is not at all.
  func setReceiveTimeout(_ timeout: Duration) throws(TransportError) {
    let milliseconds = timeout.milliseconds
    guard milliseconds != receiveTimeout else { return }
    try set(ZMQ_RCVTIMEO, milliseconds)
    receiveTimeout = milliseconds
  }

  /// Silence after which polling stops, so that a process without work costs nothing.
  private static let restlessness: UInt64 = 200_000_000

  /// Receives the first frame of a message, as `receive` does.
  ///
  /// Where that is wanted, and as long as messages come, it polls before it sleeps.
  func receiveFirst(_ frame: UnsafeMutablePointer<zmq_msg_t>) -> Bool {
    guard polling > 0, receiveTimeout != 0 else { return unsafe receive(frame) }
    let start = Self.nanoseconds
    var now = start
    while now &- lastArrival < Self.restlessness, now &- start < polling {
      if unsafe zmq_msg_recv(frame, handle, ZMQ_DONTWAIT) >= 0 {
        lastArrival = now
        return true
      }
      guard Self.nothingCame else { return false }
      sched_yield()  // whoever brings the message may need this processor
      now = Self.nanoseconds
    }
    let came = unsafe receive(frame)
    if came { lastArrival = Self.nanoseconds }
    return came
  }

  private static var nanoseconds: UInt64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
  }

  /// Receives one frame into an initialised message; false with `zmq_errno` set when it failed.
  func receive(_ frame: UnsafeMutablePointer<zmq_msg_t>) -> Bool {
    unsafe zmq_msg_recv(frame, handle, 0) >= 0
  }

  /// Whether the last `receive` failed only because nothing came in time.
  static var nothingCame: Bool { zmq_errno() == EAGAIN || zmq_errno() == EINTR }

  /// Drops the rest of a message of which a frame was received.
  func skipRest() throws(TransportError) {
    var frame = zmq_msg_t()
    var more = true
    while more {
      unsafe zmq_msg_init(&frame)
      let received = unsafe zmq_msg_recv(&frame, handle, 0)
      more = unsafe zmq_msg_more(&frame) != 0
      unsafe zmq_msg_close(&frame)
      if received < 0 { throw TransportError(.receive, name) }
    }
  }

  /// Sends one frame without waiting.
  func send(_ frame: UnsafeMutablePointer<zmq_msg_t>, flags: Int32) throws(TransportError) {
    var hasLooked = false
    while unsafe zmq_msg_send(frame, handle, flags | ZMQ_DONTWAIT) < 0 { try checkSend(&hasLooked) }
  }

  /// Sends a small frame by copying it, without waiting.
  func send(_ bytes: UnsafeRawBufferPointer, flags: Int32) throws(TransportError) {
    var hasLooked = false
    while unsafe zmq_send(handle, bytes.baseAddress, bytes.count, flags | ZMQ_DONTWAIT) < 0 {
      try checkSend(&hasLooked)
    }
  }

  /// Returns when sending may be tried again: a signal interrupted it, or the queue only looked full.
  ///
  /// The library takes note of what its own thread has sent at most once in about a millisecond, and
  /// until then counts it as waiting; asking for the events makes it look.
  private func checkSend(_ hasLooked: inout Bool) throws(TransportError) {
    switch zmq_errno() {
    case EINTR: return
    case EHOSTUNREACH: throw TransportError(.peerGone, name)
    case EAGAIN:
      guard !hasLooked else { throw TransportError(.peerBusy, name) }
      hasLooked = true
      _ = value(of: ZMQ_EVENTS, as: Int32.self)
    default: throw TransportError(.send, name)
    }
  }
}

extension Duration {
  /// Whole milliseconds, at least 0 and at most what the library takes.
  var milliseconds: Int32 {
    let (seconds, attoseconds) = components
    guard seconds >= 0, attoseconds >= 0 else { return 0 }
    let bounded = min(seconds, Int64(Int32.max) / 1_000 - 1)
    return Int32(bounded * 1_000 + attoseconds / 1_000_000_000_000_000)
  }
}
