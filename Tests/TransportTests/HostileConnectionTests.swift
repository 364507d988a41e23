import Foundation
import Testing
import Transport

/// Strangers who speak TCP and not our protocol, on ports with and without keys.
///
/// One raw connection was enough to stop a server with keys before libzmq 4.3.3 (CVE-2020-15166);
/// its decoder of the first version of the protocol wrote beyond its buffer (CVE-2021-20235), as did
/// the second's (CVE-2019-6250), and metadata overflowed the stack before authentication
/// (CVE-2019-13132).
@Suite(.serialized) struct HostileConnectionTests {
  /// What strangers send; each is a class of its own.
  static let openings: [[UInt8]] = {
    let curve = RawConnection.greeting("CURVE")
    let null = RawConnection.greeting("NULL")
    let hello = [4, 200] + [5] + Array("HELLO".utf8) + [UInt8](repeating: 0x5A, count: 194)
    let longCommand: [UInt8] = [6, 0x7F] + [UInt8](repeating: 0xFF, count: 7)
    let longMessage: [UInt8] = [2] + [UInt8](repeating: 0xFF, count: 8)
    let metadata: [UInt8] = [4, 250, 5] + Array("READY".utf8) + [UInt8](repeating: 255, count: 244)
    let firstVersion: [UInt8] = [1, 0, 5, 0] + Array("abcd".utf8)
    let firstVersionLong: [UInt8] = [1, 0, 0xFF] + [UInt8](repeating: 0xFF, count: 8) + [0]
    return [
      [], [0], [0xFF], Array("GET / HTTP/1.1\r\nHost: x\r\n\r\n".utf8),
      [22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3], [UInt8](repeating: 0xFF, count: 4096),
      [UInt8](repeating: 0, count: 4096), firstVersion, firstVersionLong,
      RawConnection.greeting("CURVE", major: 1) + firstVersion,
      RawConnection.greeting("CURVE", major: 2) + firstVersion, RawConnection.greeting("PLAIN"),
      RawConnection.greeting("GSSAPI"), Array(curve.prefix(11)), curve, curve + hello,
      curve + Array(hello.prefix(50)), curve + hello + hello, curve + longCommand,
      curve + longMessage, curve + metadata, curve + [4, 0], null, null + RawConnection.ready,
      null + longCommand, null + longMessage, null + metadata, null + [4, 0, 0, 0],
      null + RawConnection.ready + longMessage, null + RawConnection.ready + longCommand,
      null + RawConnection.ready + [4, 6, 4] + Array("PING".utf8) + [0],
      null + RawConnection.ready + [4, 255, 4] + Array("PING".utf8),
      null + RawConnection.ready + Array(repeating: [1, 1, 7], count: 3000).joined(),
    ]
  }()

  @Test(arguments: [true, false])
  func `no opening stops a port, and none is taken for a message of ours`(hasKeys: Bool) throws {
    let (server, known) = (try KeyPair.random(), try KeyPair.random())
    let list = AllowList([known.publicKey: "known"])
    let context = try TransportContext(allowList: hasKeys ? list : nil)
    let router = try RouterSocket(
      context, bind: "tcp://127.0.0.1:*",
      .control.secured(by: hasKeys ? .server(server, list) : .none))
    let port = try #require(router.port)
    var message = Multipart()
    var peers: [RawConnection] = []
    for round in 0..<10 {
      for opening in Self.openings {
        let peer = try RawConnection(port: port)
        peer.send(opening)
        if round.isMultiple(of: 2) { peers.append(peer) }  // the others hang up
        let sender = try router.receive(&message, timeout: .zero)
        #expect(sender == nil, "\(opening.prefix(80))")
      }
    }
    let dealer = try DealerSocket(
      context, connect: router.endpoint, as: .random(),
      .control.secured(by: hasKeys ? .client(known, server: server.publicKey) : .none))
    var arrived = false
    for _ in 0..<1000 where !arrived {
      message.removeAll()
      try message.append([42].rawSpan)
      _ = try dealer.send(&message)
      if try router.receive(&message, timeout: .milliseconds(10)) != nil {
        arrived = message.byte(0, of: 0) == 42
      }
    }
    #expect(arrived)
    withExtendedLifetime(peers) {}
  }
}
