import Foundation
import Testing
import Transport

/// Encrypted sockets: who is let in, who is not, and who is not any more.
@Suite(.serialized) struct AccessTests {
  let server: KeyPair
  let known: KeyPair
  let list: AllowList
  let events = Recorded<AllowList.Event>()
  let context: TransportContext
  let router: RouterSocket

  init() throws {
    server = try KeyPair.random()
    known = try KeyPair.random()
    list = AllowList([known.publicKey: "known"]) { [events] in events.append($0) }
    context = try TransportContext(allowList: list)
    router = try RouterSocket(
      context, bind: "tcp://127.0.0.1:*", .control.secured(by: .server(server, list)))
  }

  private func connect(_ security: SocketSecurity, as id: RoutingID = .random()) throws
    -> DealerSocket
  {
    try DealerSocket(
      context, connect: router.endpoint, as: id, .control.secured(by: security),
      watchesConnection: true)
  }

  /// Sends one frame until it is taken or time is up.
  private func send(_ byte: UInt8, from dealer: DealerSocket) throws -> Bool {
    var message = Multipart()
    for _ in 0..<300 {
      try message.append([byte].rawSpan)
      if try dealer.send(&message) { return true }
      Thread.sleep(forTimeInterval: 0.01)
    }
    return false
  }

  private func receive(_ message: inout Multipart, tries: Int = 100) throws -> RoutingID? {
    for _ in 0..<tries {
      if let sender = try router.receive(&message, timeout: .milliseconds(50)) { return sender }
    }
    return nil
  }

  private func failure(of dealer: DealerSocket) -> HandshakeFailure? {
    for _ in 0..<500 {
      if let failure = dealer.handshakeFailure() { return failure }
      Thread.sleep(forTimeInterval: 0.01)
    }
    return nil
  }

  @Test func `a known key is let in, and every message names it`() throws {
    let dealer = try connect(.client(known, server: server.publicKey))
    #expect(try send(7, from: dealer))
    var message = Multipart()
    let sender = try #require(try receive(&message))
    #expect(sender.key == known.publicKey)
    #expect(message.byte(0, of: 0) == 7)
    message.removeAll()
    try message.append([8].rawSpan)
    try router.send(&message, to: sender)
    #expect(try dealer.receive(&message, timeout: .seconds(5)))
    #expect(message.byte(0, of: 0) == 8)
    #expect(dealer.handshakeFailure() == nil)
  }

  @Test func `an unknown key is refused and reported`() throws {
    let stranger = try KeyPair.random()
    let dealer = try connect(.client(stranger, server: server.publicKey))
    #expect(failure(of: dealer) == .keyRefused)
    #expect(
      events.all == [.refused(stranger.publicKey, address: "127.0.0.1", others: 0)])
  }

  @Test func `a peer without keys, and one that trusts another key, get nowhere`() throws {
    #expect(failure(of: try connect(.none)) == .otherProtocol)
    let other = try KeyPair.random().publicKey
    let misled = try connect(.client(known, server: other))
    #expect(failure(of: misled) == .ended)
    let secret = try KeyPair.random()
    let open = try RouterSocket(context, bind: "tcp://127.0.0.1:*", .control)
    let trusting = try DealerSocket(
      context, connect: open.endpoint, as: .random(),
      .control.secured(by: .client(secret, server: other)), watchesConnection: true)
    #expect(failure(of: trusting) == .otherProtocol)
  }

  @Test func `without the thread that decides nobody is let in`() throws {
    let deaf = try TransportContext()
    let router = try RouterSocket(
      deaf, bind: "tcp://127.0.0.1:*", .control.secured(by: .server(server, list)))
    let dealer = try DealerSocket(
      deaf, connect: router.endpoint, as: .random(),
      .control.secured(by: .client(known, server: server.publicKey)), watchesConnection: true)
    #expect(failure(of: dealer) != nil)
    var message = Multipart()
    try message.append([1].rawSpan)
    #expect(try !dealer.send(&message))
  }

  @Test func `a revoked key is not heard any more, and its connection ends`() throws {
    let dealer = try connect(.client(known, server: server.publicKey))
    #expect(try send(1, from: dealer))
    var message = Multipart()
    let sender = try #require(try receive(&message))
    list.replace(with: [:])
    #expect(try send(2, from: dealer))
    #expect(try receive(&message, tries: 10) == nil)
    #expect(router.revokedMessageCount == 1)
    // It can still be told why.
    message.removeAll()
    try message.append([4].rawSpan)
    try router.send(&message, to: sender)
    #expect(try dealer.receive(&message, timeout: .seconds(60)))
    #expect(message.byte(0, of: 0) == 4)
    Thread.sleep(forTimeInterval: RouterSocket.farewellTime / .seconds(1))
    #expect(try send(5, from: dealer))
    #expect(try receive(&message, tries: 10) == nil)
    // The library connects again, and is refused now.
    #expect(failure(of: dealer) == .keyRefused)
    var gone = false
    for _ in 0..<300 where !gone {
      message.removeAll()
      try message.append([3].rawSpan)
      do { try router.send(&message, to: sender) } catch { gone = error.kind == .peerGone }
      _ = try receive(&message, tries: 1)
    }
    #expect(gone)
  }

  @Test func `nobody takes over the id of another`() throws {
    let other = try KeyPair.random()
    list.replace(with: [known.publicKey: "known", other.publicKey: "other"])
    let id = RoutingID.random()
    let first = try connect(.client(known, server: server.publicKey), as: id)
    #expect(try send(1, from: first))
    var message = Multipart()
    let owner = try #require(try receive(&message))
    let second = try connect(.client(other, server: server.publicKey), as: id)
    _ = try send(2, from: second)
    #expect(try send(3, from: first))
    while let sender = try receive(&message, tries: 4) {
      #expect(sender == owner && message.byte(0, of: 0) == 3)
    }
  }

  @Test func `a listener that turns strangers away passes the check, and others do not`() throws {
    try AccessCheck.run(context, endpoint: router.endpoint, pair: server, allowList: list)
    #expect(events.all.isEmpty, "the check's own stranger is nobody's concern")
    let open = try RouterSocket(context, bind: "tcp://127.0.0.1:*", .control)
    let error = #expect(throws: KeyError.self) {
      try AccessCheck.run(context, endpoint: open.endpoint, pair: server, allowList: list)
    }
    #expect(error?.description.hasSuffix("it must not be used") == true)
  }

  @Test func `a changed file is taken over, a broken one is not`() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "conclave-\(UUID())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appending(path: "list").path
    var file = AllowListFile(new: path)
    try file.add(.init(key: known.publicKey, name: "known"))
    try file.write()
    let events = Recorded<AllowList.Event>()
    let list = try AllowList(file: path) { events.append($0) }
    let context = try TransportContext(allowList: list)
    #expect(list.name(of: known.publicKey) == "known")
    let other = try KeyPair.random().publicKey
    try file.add(.init(key: other, name: "other"))
    try file.write()
    #expect(waits { list.contains(other) })
    try Data("nonsense\n".utf8).write(to: URL(filePath: path))
    #expect(waits { events.all.count == 2 })
    #expect(list.contains(other) && list.contains(known.publicKey))
    _ = try file.remove("known")
    try file.write()
    #expect(waits { !list.contains(known.publicKey) })
    #expect(list.contains(other))
    withExtendedLifetime(context) {}
  }

  private func waits(until condition: () -> Bool) -> Bool {
    for _ in 0..<1000 {
      if condition() { return true }
      Thread.sleep(forTimeInterval: 0.01)
    }
    return false
  }
}

/// Values that come from any thread, in order.
final class Recorded<Value: Sendable>: @unchecked Sendable {  // guarded by the lock
  private let lock = NSLock()
  private var values: [Value] = []

  var all: [Value] { lock.withLock { values } }
  func append(_ value: Value) { lock.withLock { values.append(value) } }
}
