import CZeroMQ
import Foundation

/// The frames of one message, reusable for sending and receiving.
///
/// Frames are the library's own buffers: bytes are written straight into what is sent and read
/// straight from what was received.
@safe
public struct Multipart: ~Copyable, @unchecked Sendable {  // `frames` is never shared
  /// Frames that any message of ours has at most, the peer's routing id not counted.
  public static let maxFrameCount = 3

  private let frames: UnsafeMutablePointer<zmq_msg_t>
  /// Frames that the message has.
  public private(set) var frameCount = 0

  /// A message without frames.
  public init() {
    unsafe frames = .allocate(capacity: Self.maxFrameCount)
  }

  deinit {
    for index in 0..<frameCount { unsafe zmq_msg_close(frames + index) }
    unsafe frames.deallocate()
  }

  /// Ends every frame.
  public mutating func removeAll() {
    for index in 0..<frameCount { unsafe zmq_msg_close(frames + index) }
    frameCount = 0
  }

  /// Adds a frame of `byteCount` uninitialised bytes; write them with `withFrame`.
  public mutating func append(byteCount: Int) throws(TransportError) {
    precondition(frameCount < Self.maxFrameCount && byteCount >= 0)
    guard unsafe zmq_msg_init_size(frames + frameCount, byteCount) == 0 else {
      throw TransportError(.send, "a frame of \(byteCount) bytes")
    }
    frameCount += 1
  }

  /// Adds a frame with a copy of `bytes`.
  public mutating func append(_ bytes: RawSpan) throws(TransportError) {
    try append(byteCount: bytes.byteCount)
    let target = unsafe zmq_msg_data(frames + frameCount - 1)
    unsafe bytes.withUnsafeBytes { bytes in
      if let source = bytes.baseAddress, let target = unsafe target {
        unsafe target.copyMemory(from: source, byteCount: bytes.count)
      }
    }
  }

  /// Adds a frame with a copy of `bytes`.
  public mutating func append(_ bytes: [UInt8]) throws(TransportError) {
    unsafe try append(bytes.span.bytes)
  }

  /// Adds a frame with a copy of `bytes` before all others.
  public mutating func prepend(_ bytes: [UInt8]) throws(TransportError) {
    unsafe try prepend(bytes.span.bytes)
  }

  /// Adds a frame with a copy of `bytes` before all others.
  public mutating func prepend(_ bytes: RawSpan) throws(TransportError) {
    try append(bytes)
    var index = frameCount - 1
    while index > 0 {
      var last = zmq_msg_t()
      unsafe zmq_msg_init(&last)
      unsafe zmq_msg_move(&last, frames + index)
      unsafe zmq_msg_move(frames + index, frames + index - 1)
      unsafe zmq_msg_move(frames + index - 1, &last)
      unsafe zmq_msg_close(&last)
      index -= 1
    }
  }

  /// The bytes of a frame.
  @_lifetime(borrow self)
  public borrowing func frame(_ index: Int) -> RawSpan {
    precondition(index >= 0 && index < frameCount)
    let count = unsafe zmq_msg_size(frames + index)
    guard let start = unsafe zmq_msg_data(frames + index) else { return RawSpan() }
    let span = unsafe RawSpan(_unsafeStart: start, byteCount: count)
    return unsafe _overrideLifetime(span, borrowing: self)
  }

  /// The bytes of a frame, for writing.
  @_lifetime(&self)
  public mutating func mutableFrame(_ index: Int) -> MutableRawSpan {
    precondition(index >= 0 && index < frameCount)
    let count = unsafe zmq_msg_size(frames + index)
    guard let start = unsafe zmq_msg_data(frames + index) else { return MutableRawSpan() }
    let span = unsafe MutableRawSpan(_unsafeStart: start, byteCount: count)
    return unsafe _overrideLifetime(span, mutating: &self)
  }

  /// Receives the first frame of a message; false when none came in time.
  mutating func receiveFirst(from socket: Socket) throws(TransportError) -> Bool {
    removeAll()
    unsafe zmq_msg_init(frames)
    guard unsafe socket.receiveFirst(frames) else {
      let nothingCame = Socket.nothingCame
      unsafe zmq_msg_close(frames)
      if nothingCame { return false }
      throw TransportError(.receive, socket.name)
    }
    frameCount = 1
    return true
  }

  /// The key that the sender of the first frame proved to have; nil without one.
  var senderKey: PublicKey? {
    guard frameCount > 0, let text = unsafe zmq_msg_gets(frames, "User-Id") else { return nil }
    return unsafe PublicKey(userID: text)
  }

  /// The kernel's name of the connection that the first frame came by.
  var sourceDescriptor: Int32? {
    guard frameCount > 0 else { return nil }
    let descriptor = unsafe zmq_msg_get(frames, ZMQ_SRCFD)
    return descriptor >= 0 ? descriptor : nil
  }

  /// Ends the connection that the first frame came by.
  ///
  /// The library cannot end one of a router's connections, so this shuts the kernel's down. The
  /// descriptor may have a new owner by now: it has to be a connection to the same address.
  func cutConnection() {
    guard frameCount > 0, let address = unsafe zmq_msg_gets(frames, "Peer-Address") else { return }
    guard let descriptor = sourceDescriptor,
      unsafe PeerAddress.text(of: descriptor) == String(cString: address)
    else { return }
    shutdown(descriptor, Int32(SHUT_RDWR))
  }

  /// Whether more frames of the same message follow the last that was received.
  var moreFollows: Bool {
    guard frameCount > 0 else { return false }
    return unsafe zmq_msg_more(frames + frameCount - 1) != 0
  }

  /// Receives the frames after the first; they are there, since messages arrive whole.
  mutating func receiveRest(from socket: Socket) throws(TransportError) {
    while moreFollows {
      guard frameCount < Self.maxFrameCount else {
        removeAll()
        try socket.skipRest()
        throw TransportError(.tooManyFrames, socket.name, code: 0)
      }
      unsafe zmq_msg_init(frames + frameCount)
      guard unsafe socket.receive(frames + frameCount) else {
        unsafe zmq_msg_close(frames + frameCount)
        throw TransportError(.receive, socket.name)
      }
      frameCount += 1
    }
  }

  /// Receives a whole message of which a routing id was received before.
  mutating func receive(from socket: Socket) throws(TransportError) {
    guard try receiveFirst(from: socket) else { throw TransportError(.receive, socket.name) }
    try receiveRest(from: socket)
  }

  /// Hands every frame to the socket and is empty afterwards, also when that fails.
  mutating func send(to socket: Socket) throws(TransportError) {
    defer { removeAll() }
    for index in 0..<frameCount {
      let flags = index + 1 < frameCount ? ZMQ_SNDMORE : 0
      try unsafe socket.send(frames + index, flags: flags)
    }
  }
}
