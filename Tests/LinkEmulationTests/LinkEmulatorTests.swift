import Foundation
import Telemetry
import Testing
import Transport

import LinkEmulation

/// A server that sends back what it reads, on threads of its own.
final class EchoServer: Sendable {
  let listener: TCPListener

  init() throws {
    listener = try TCPListener(TCPEndpoint(host: "127.0.0.1", port: 0))
    Thread { [listener] in
      while let socket = listener.accept(timeout: .seconds(30)) {
        Thread { Self.serve(socket) }.start()
      }
    }.start()
  }

  private static func serve(_ socket: TCPSocket) {
    var bytes = [UInt8](repeating: 0, count: 64 << 10)
    while case .bytes(let count) = socket.read(into: &bytes, range: 0..<bytes.count) {
      guard (try? socket.writeAll(bytes, count: count)) != nil else { return }
    }
    socket.finishWriting()
  }
}

/// Real sockets through real emulators: lower bounds are exact, upper ones only against hangs.
@Suite struct LinkEmulatorTests {
  private func link(
    _ line: String = "pass", script: String = "", seed: UInt64 = 1
  ) throws -> (LinkEmulator, TCPSocket) {
    let echo = try EchoServer()
    let listen = TCPEndpoint(host: "127.0.0.2", port: 0)
    let emulator = try LinkEmulator(
      [LinkRoute(listen: listen, target: echo.listener.endpoint)], LinkChange.parse(line),
      script: LinkScript(script), seed: seed)
    let socket = try TCPSocket.connect(to: emulator.endpoints[0], timeout: .seconds(20))
    return (emulator, socket)
  }

  /// Sends and waits for the echo; the nanoseconds that it took.
  private func exchange(_ socket: TCPSocket, _ bytes: inout [UInt8]) throws -> UInt64 {
    let start = MonotonicTime.nanoseconds
    try socket.writeAll(bytes, count: bytes.count)
    try socket.readAll(into: &bytes, count: bytes.count)
    return MonotonicTime.nanoseconds - start
  }

  @Test func `bytes come back as they were, and are counted`() throws {
    let (emulator, socket) = try link()
    defer { emulator.stop() }
    var bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 * 31) }
    let sent = bytes
    for _ in 0..<20 {
      _ = try exchange(socket, &bytes)
      #expect(bytes == sent)
    }
    #expect(emulator.statistics.forward.byteCount == 2_000_000)
    #expect(emulator.statistics.backward.byteCount == 2_000_000)
    #expect(emulator.statistics.connectionCount == 1)
  }

  @Test func `no byte is early by delay, and both directions have their own`() throws {
    let (emulator, socket) = try link("forward delay 3ms")
    defer { emulator.stop() }
    try emulator.apply("backward delay 2ms")
    var bytes = [UInt8](repeating: 1, count: 100)
    for _ in 0..<20 { #expect(try exchange(socket, &bytes) >= 5_000_000) }
  }

  @Test func `no byte is early by rate`() throws {
    let (emulator, socket) = try link("forward rate 10MB/s")
    defer { emulator.stop() }
    var bytes = [UInt8](repeating: 1, count: 300_000)
    // The kernel may hold back what the line has not taken yet, but not hurry it.
    #expect(try exchange(socket, &bytes) >= 29_900_000)
  }

  @Test func `flipped bits are seen`() throws {
    let (emulator, socket) = try link("backward flip 0.01")
    defer { emulator.stop() }
    var bytes = [UInt8](repeating: 0, count: 100_000)
    _ = try exchange(socket, &bytes)
    let changed = bytes.count { $0 != 0 }
    #expect((800...1200).contains(changed))
    #expect(emulator.statistics.backward.flippedByteCount == changed)
    #expect(emulator.statistics.forward.flippedByteCount == 0)
  }

  @Test func `a drop is silent, a cut is not`() throws {
    let (emulator, socket) = try link()
    defer { emulator.stop() }
    var bytes = [UInt8](repeating: 0, count: 1000)
    _ = try exchange(socket, &bytes)
    try emulator.apply("backward drop")
    socket.setTimeout(.milliseconds(100))
    #expect(throws: TransportError.self) { try exchange(socket, &bytes) }
    #expect(emulator.statistics.backward.droppedByteCount == 1000)
    socket.setTimeout(.seconds(20))
    try emulator.apply("pass")
    _ = try exchange(socket, &bytes)
    try emulator.apply("cut")
    let outcome = socket.read(into: &bytes, range: 0..<1)
    #expect(outcome == .broken(ECONNRESET))
    let next = try TCPSocket.connect(to: emulator.endpoints[0], timeout: .seconds(20))
    _ = try exchange(next, &bytes)
  }

  @Test func `a stall keeps everything, for as long as the script says`() throws {
    let (emulator, socket) = try link(script: "at 0ms stall 300ms")
    defer { emulator.stop() }
    var bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0) }
    let sent = bytes
    let time = try exchange(socket, &bytes)
    #expect(bytes == sent)
    #expect(time >= 100_000_000)
  }

  @Test func `a link that is down resets whoever comes`() throws {
    let (emulator, socket) = try link("pass")
    defer { emulator.stop() }
    try emulator.apply("down")
    var bytes = [UInt8](repeating: 0, count: 10)
    #expect(socket.read(into: &bytes, range: 0..<1) == .broken(ECONNRESET))
    #expect(throws: TransportError.self) {
      let next = try TCPSocket.connect(to: emulator.endpoints[0], timeout: .seconds(20))
      _ = try exchange(next, &bytes)
    }
    try emulator.apply("up")
    let next = try TCPSocket.connect(to: emulator.endpoints[0], timeout: .seconds(20))
    _ = try exchange(next, &bytes)
  }

  @Test func `the end of a connection is passed on after its bytes`() throws {
    let (emulator, socket) = try link("delay 2ms")
    defer { emulator.stop() }
    try socket.writeAll(Array("last words".utf8), count: 10)
    socket.finishWriting()
    var bytes = [UInt8](repeating: 0, count: 11)
    try socket.readAll(into: &bytes, count: 10)
    #expect(String(decoding: bytes.prefix(10), as: UTF8.self) == "last words")
    #expect(socket.read(into: &bytes, range: 0..<1) == .ended)
  }

  @Test func `a slow line takes no more than its rate`() throws {
    let start = MonotonicTime.nanoseconds
    let (emulator, socket) = try link("forward rate 1MB/s")
    defer { emulator.stop() }
    let bytes = [UInt8](repeating: 0, count: 64 << 10)
    socket.setTimeout(.milliseconds(50))
    while MonotonicTime.nanoseconds - start < 300_000_000 {
      _ = socket.write(bytes, range: 0..<bytes.count)
    }
    let count = emulator.statistics.forward.byteCount
    let seconds = Double(MonotonicTime.nanoseconds - start) / 1e9
    #expect(count > 0)
    #expect(Double(count) < 1e6 * (seconds + 0.01))  // with what waits for the line
  }
}
