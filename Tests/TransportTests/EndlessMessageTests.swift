import Foundation
import Testing
import Transport

/// A peer sends a message of which the last frame never comes.
@Suite(.serialized) struct EndlessMessageTests {
  private static let frameByteCount = 1 << 20

  /// A frame after which more come, with its header: flags for "more" and "long", and the length.
  private static let frame: [UInt8] =
    [3, 0, 0, 0, 0, 0, 0x10, 0, 0] + [UInt8](repeating: 7, count: frameByteCount)

  /// The library kept all of it, so that one peer could fill the coordinator's memory.
  ///
  /// The watch counts bytes of the kernel's connections, below what keys encrypt.
  @Test func `its connection ends, and others are served`() throws {
    let context = try TransportContext()
    let router = try RouterSocket(context, bind: "tcp://127.0.0.1:*", .control)
    let peer = try RawConnection(port: try #require(router.port))
    peer.send(RawConnection.greeting("NULL") + RawConnection.ready)
    let dealer = try DealerSocket(context, connect: router.endpoint, as: .random(), .control)
    var message = Multipart()
    var answered = 0
    func serve() throws {
      message.removeAll()
      try message.append([42].rawSpan)
      _ = try dealer.send(&message)
      if try router.receive(&message, timeout: .milliseconds(10)) != nil { answered += 1 }
      router.watch.check()
    }
    var sent = 0
    while router.watch.cutCount == 0, sent < 200 {
      peer.send(Self.frame)
      sent += 1
      try serve()
    }
    // Four whole messages of the largest frames, and 16 MiB, are 33 MiB.
    #expect(router.watch.cutCount == 1)
    #expect(sent < 60)
    #expect(peer.isClosed(within: .seconds(10)))
    answered = 0
    for _ in 0..<500 where answered == 0 { try serve() }
    #expect(answered > 0)
    #expect(router.watch.cutCount == 1)
  }
}
