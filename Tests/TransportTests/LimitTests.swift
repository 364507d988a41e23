import CZeroMQ
import Foundation
import Testing
import Transport

/// Every limit of a socket is set, and does what it is for.
@Suite(.serialized) struct LimitTests {
  let context: TransportContext

  init() throws { context = try TransportContext() }

  @Test func `no limit is left to the library's default`() throws {
    for options in [SocketOptions.control, .data(), .data(maxFrameByteCount: 77_777)] {
      let router = try RouterSocket(context, bind: "tcp://127.0.0.1:*", options)
      let dealer = try DealerSocket(context, connect: router.endpoint, as: .random(), options)
      #expect(router.value(of: ZMQ_MAXMSGSIZE, as: Int64.self) == options.maxFrameByteCount)
      #expect(dealer.value(of: ZMQ_MAXMSGSIZE, as: Int64.self) == options.maxFrameByteCount)
      let expected: [(Int32, Int32)] = [
        (ZMQ_SNDHWM, 64), (ZMQ_RCVHWM, 64), (ZMQ_HANDSHAKE_IVL, 2_000),
        (ZMQ_HEARTBEAT_IVL, 0), (ZMQ_LINGER, 500), (ZMQ_TCP_MAXRT, 5_000), (ZMQ_IMMEDIATE, 1),
        (ZMQ_TCP_KEEPALIVE, 1), (ZMQ_TCP_KEEPALIVE_IDLE, 2), (ZMQ_TCP_KEEPALIVE_INTVL, 1),
        (ZMQ_TCP_KEEPALIVE_CNT, 3), (ZMQ_RECONNECT_IVL, 50), (ZMQ_RECONNECT_IVL_MAX, 250),
      ]
      for (option, value) in expected {
        #expect(router.value(of: option, as: Int32.self) == value, "router, option \(option)")
        #expect(dealer.value(of: option, as: Int32.self) == value, "dealer, option \(option)")
      }
    }
  }

  @Test func `sockets with keys are servers that let nobody in unasked`() throws {
    let pair = try KeyPair.random()
    let options = SocketOptions.control.secured(by: .server(pair, AllowList([:])))
    let router = try RouterSocket(context, bind: "tcp://127.0.0.1:*", options)
    #expect(router.value(of: ZMQ_CURVE_SERVER, as: Int32.self) == 1)
    #expect(router.value(of: ZMQ_ZAP_ENFORCE_DOMAIN, as: Int32.self) == 1)
    #expect(router.value(of: ZMQ_MECHANISM, as: Int32.self) == ZMQ_CURVE)
  }

  /// 2 s by default; the generous bound is for a busy machine.
  @Test func `a connection that does not finish its handshake is ended`() throws {
    let pair = try KeyPair.random()
    let list = AllowList([:])
    let secure = try TransportContext(allowList: list)
    let routers = [
      try RouterSocket(context, bind: "tcp://127.0.0.1:*", .control),
      try RouterSocket(
        secure, bind: "tcp://127.0.0.1:*", .control.secured(by: .server(pair, list))),
    ]
    var peers: [RawConnection] = []
    for router in routers {
      let port = try #require(router.port)
      for bytes in [[], [0xFF], Array(RawConnection.greeting("CURVE").prefix(40))] {
        let peer = try RawConnection(port: port)
        peer.send(bytes)
        peers.append(peer)
      }
    }
    for peer in peers { #expect(peer.isClosed(within: .seconds(20))) }
  }

  /// libzmq 4.3.4 ends the process at the next heartbeat of such a connection, a second later by our
  /// limits while they had heartbeats.
  @Test func `a connection that ends while its messages wait harms nobody`() throws {
    let router = try RouterSocket(context, bind: "tcp://127.0.0.1:*", .control)
    do {
      let peer = try RawConnection(port: try #require(router.port))
      peer.send(RawConnection.greeting("NULL") + RawConnection.ready)
      for _ in 0..<1_000 { peer.send([0, 1, 7]) }  // more messages than a queue takes
      Thread.sleep(forTimeInterval: 0.2)
    }
    Thread.sleep(forTimeInterval: 2.5)
    let id = RoutingID.random()
    let dealer = try DealerSocket(context, connect: router.endpoint, as: id, .control)
    #expect(try arrives(from: dealer, as: id, at: router))
  }

  /// Sends until something of that dealer has come; false when nothing does.
  private func arrives(
    from dealer: DealerSocket, as id: RoutingID, at router: RouterSocket
  ) throws -> Bool {
    var message = Multipart()
    let end = ContinuousClock.now + .seconds(20)
    while ContinuousClock.now < end {
      message.removeAll()
      try message.append([1].rawSpan)
      _ = try dealer.send(&message)
      if try router.receive(&message, timeout: .milliseconds(10)) == id { return true }
    }
    return false
  }

  @Test func `a queue takes no more than its limit`() throws {
    var options = SocketOptions.data()
    options.highWaterMark = 4
    let router = try RouterSocket(context, bind: "tcp://127.0.0.1:*", options)
    let dealer = try DealerSocket(context, connect: router.endpoint, as: .random(), options)
    var message = Multipart()
    var count = 0
    for _ in 0..<500 where count < 200 {
      message.removeAll()
      try message.append(byteCount: 1 << 20)
      if try dealer.send(&message) { count += 1 } else { Thread.sleep(forTimeInterval: 0.002) }
    }
    // Two queues of four, and what the kernel's buffers take.
    #expect((1..<100).contains(count), "\(count)")
  }

  @Test func `nothing is queued for a peer that is not there`() throws {
    let nobody = "tcp://127.0.0.1:1"
    let dealer = try DealerSocket(context, connect: nobody, as: .random(), .control)
    var message = Multipart()
    try message.append([1].rawSpan)
    #expect(try !dealer.send(&message))
  }

  @Test func `unsent messages do not hold up the end`() throws {
    let start = ContinuousClock.now
    do {
      let context = try TransportContext()
      var options = SocketOptions.data()
      options.linger = .milliseconds(100)
      let router = try RouterSocket(context, bind: "tcp://127.0.0.1:*", options)
      let peer = try RawConnection(port: try #require(router.port))
      peer.send(RawConnection.greeting("NULL") + RawConnection.ready)
      peer.send([0, 1, 7])  // one message, so that the router knows it
      var message = Multipart()
      _ = try router.receive(&message, timeout: .seconds(5))
      let dealer = try DealerSocket(context, connect: router.endpoint, as: .random(), options)
      for _ in 0..<200 {
        message.removeAll()
        try message.append(byteCount: 4 << 20)
        _ = try dealer.send(&message)
      }
    }
    #expect(ContinuousClock.now - start < .seconds(20))
  }
}
