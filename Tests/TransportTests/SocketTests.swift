import Testing
import Transport

@Suite(.serialized) struct SocketTests {
  let context: TransportContext
  let router: RouterSocket

  init() throws {
    context = try TransportContext()
    router = try RouterSocket(context, bind: "tcp://127.0.0.1:*", .control)
  }

  private func connect(_ options: SocketOptions = .control) throws -> DealerSocket {
    try DealerSocket(context, connect: router.endpoint, as: .random(), options)
  }

  /// Sends until there is a connection.
  private func send(_ frames: [[UInt8]], from dealer: DealerSocket) throws {
    var message = Multipart()
    for _ in 0..<500 {
      for frame in frames { try message.append(frame.rawSpan) }
      if try dealer.send(&message) { return }
      _ = try dealer.receive(&message, timeout: .milliseconds(10))
    }
    Issue.record("no connection")
  }

  private func receive(_ message: inout Multipart) throws -> RoutingID? {
    for _ in 0..<100 {
      if let sender = try router.receive(&message, timeout: .milliseconds(50)) { return sender }
    }
    return nil
  }

  @Test func `frames arrive as they were sent, both ways`() throws {
    let dealer = try connect()
    let big = [UInt8](repeating: 7, count: 1 << 20)
    try send([[1, 2, 3], [], big], from: dealer)
    var message = Multipart()
    let sender = try #require(try receive(&message))
    #expect(message.frameCount == 3)
    #expect(message.byte(1, of: 0) == 2)
    #expect(message.byteCount(of: 0) == 3)
    #expect(message.byteCount(of: 1) == 0)
    #expect(message.byteCount(of: 2) == 1 << 20)
    message.removeAll()
    try message.append(byteCount: 2)
    var span = message.mutableFrame(0)
    span.storeBytes(of: UInt16(0x0102).littleEndian, as: UInt16.self)
    try router.send(&message, to: sender)
    #expect(message.frameCount == 0)
    #expect(try dealer.receive(&message, timeout: .seconds(5)))
    #expect(message.byte(1, of: 0) == 1)
  }

  @Test func `a frame can be put before others of any size`() throws {
    var message = Multipart()
    try message.append([1, 2].rawSpan)
    try message.append([UInt8](repeating: 3, count: 100_000).rawSpan)
    try message.prepend([9].rawSpan)
    #expect(message.frameCount == 3)
    #expect(message.byteCount(of: 0) == 1 && message.byte(0, of: 0) == 9)
    #expect(message.byteCount(of: 1) == 2 && message.byte(1, of: 1) == 2)
    #expect(message.byteCount(of: 2) == 100_000 && message.byte(99_999, of: 2) == 3)
  }

  @Test func `nothing comes within the timeout`() throws {
    var message = Multipart()
    #expect(try router.receive(&message, timeout: .milliseconds(1)) == nil)
    let dealer = try connect()
    #expect(try !dealer.receive(&message, timeout: .milliseconds(1)))
  }

  @Test func `polling changes when a thread sleeps, not what it receives`() throws {
    let dealer = try connect(.control.polled(for: .milliseconds(2)))
    var message = Multipart()
    #expect(try !dealer.receive(&message, timeout: .milliseconds(1)))
    try send([[1]], from: dealer)
    let peer = try #require(try receive(&message))
    for value in UInt8(0)..<20 {
      message.removeAll()
      try message.append([value].rawSpan)
      try router.send(&message, to: peer)
      #expect(try dealer.receive(&message, timeout: .seconds(5)))
      #expect(message.byte(0, of: 0) == value)
      let start = ContinuousClock.now
      #expect(try !dealer.receive(&message, timeout: .milliseconds(5)))
      #expect(ContinuousClock.now - start >= .milliseconds(4))
    }
    #expect(try !dealer.receive(&message, timeout: .zero))
  }

  /// The library may not have noticed yet that its own thread has sent what was queued before.
  @Test func `a queue whose messages have arrived takes more`() throws {
    let dealer = try connect()
    try send([[0]], from: dealer)
    var message = Multipart()
    try #require(try receive(&message) != nil)
    for round in 0..<500 {
      for value in UInt8(1)...16 {
        message.removeAll()
        try message.append([value].rawSpan)
        try #require(try dealer.send(&message), "message \(value) of round \(round)")
      }
      for value in UInt8(1)...16 {
        try #require(try receive(&message) != nil)
        #expect(message.byte(0, of: 0) == value)
      }
    }
  }

  @Test func `a peer that is not there is an error, not silence`() throws {
    var message = Multipart()
    try message.append([1].rawSpan)
    let error = #expect(throws: TransportError.self) {
      try router.send(&message, to: .random())
    }
    #expect(error?.kind == .peerGone)
    #expect(error?.description.contains("look at that process's log") == true)
    #expect(message.frameCount == 0)
  }

  @Test func `a peer that left is found out`() throws {
    var dealer: DealerSocket? = try connect()
    try send([[1]], from: try #require(dealer))
    var message = Multipart()
    let sender = try #require(try receive(&message))
    dealer = nil
    var gone = false
    for _ in 0..<500 where !gone {
      try message.append([1].rawSpan)
      do { try router.send(&message, to: sender) } catch { gone = error.kind == .peerGone }
      var other = Multipart()
      _ = try router.receive(&other, timeout: .milliseconds(10))
    }
    #expect(gone)
  }

  @Test func `a message of too many frames is dropped whole`() throws {
    let dealer = try connect()
    var message = Multipart()
    try send([[1], [2], [3]], from: dealer)
    _ = try receive(&message)
    let raw = try RawPeer(router.endpoint)
    try raw.send(frames: 50)
    try raw.send(frames: 1)
    for _ in 0..<10 { _ = try router.receive(&message, timeout: .milliseconds(20)) }
    // The first ends the connection, perhaps before the second has come.
    #expect((1...2).contains(router.foreignMessageCount))
    try send([[4]], from: dealer)
    #expect(try receive(&message) != nil)
    #expect(message.byte(0, of: 0) == 4)
  }

  @Test func `a frame beyond the limit ends the connection, not the service`() throws {
    let dealer = try connect()
    try send([[UInt8](repeating: 0, count: 5 << 20)], from: dealer)
    var message = Multipart()
    #expect(try router.receive(&message, timeout: .milliseconds(200)) == nil)
    let other = try connect()
    try send([[9]], from: other)
    #expect(try receive(&message) != nil)
  }

  @Test func `bytes that are no ZeroMQ do not disturb`() throws {
    let garbage = try RawConnection(port: try #require(router.port))
    garbage.send([UInt8](repeating: 0xFF, count: 64) + (0..<255).map { $0 })
    let dealer = try connect()
    try send([[1]], from: dealer)
    var message = Multipart()
    #expect(try receive(&message) != nil)
  }

  @Test func `an address that cannot be bound says what to do`() throws {
    let taken = #expect(throws: TransportError.self) {
      try RouterSocket(context, bind: router.endpoint, .control)
    }
    #expect(
      taken?.description == "\(router.endpoint): cannot listen: Address already in use; "
        + "another program has the port; choose another or stop it")
    let wrong = #expect(throws: TransportError.self) {
      try RouterSocket(context, bind: "127.0.0.1:1", .control)
    }
    #expect(wrong?.kind == .bind)
    let nowhere = #expect(throws: TransportError.self) {
      try DealerSocket(context, connect: "tcp://127.0.0.1", as: .random(), .control)
    }
    #expect(nowhere?.kind == .connect)
  }
}
