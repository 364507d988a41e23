import Foundation
import Synchronization
public import Transport

/// Where connections are taken, and where they lead.
public struct LinkRoute: Sendable, Equatable {
  /// Where the emulator listens; port 0 is any free one.
  public let listen: TCPEndpoint
  /// Where it connects to for each connection.
  public let target: TCPEndpoint

  /// A route from `listen` to `target`.
  public init(listen: TCPEndpoint, target: TCPEndpoint) {
    self.listen = listen
    self.target = target
  }
}

/// A TCP proxy that behaves like a link: delay, jitter, rate, stalls, losses, errors.
///
/// All routes of an emulator share one line, as the ports of a host share its network card. Bytes
/// that are one burst for the sender may be several here; none is ever passed on early.
public final class LinkEmulator: Sendable {
  private let shared = EmulatorState()
  private let ended = DispatchSemaphore(value: 0)
  /// Where it listens, in the order of the routes, with the ports that were chosen.
  public let endpoints: [TCPEndpoint]

  /// Starts to take connections.
  ///
  /// - Parameters:
  ///   - routes: Where they are taken and where they lead.
  ///   - changes: What makes the link other than one that passes everything on at once.
  ///   - script: What changes later; its times count from here.
  ///   - seed: What jitter, spikes and flips are drawn from.
  /// - Throws: `TransportError` when an endpoint cannot be listened on.
  public init(
    _ routes: [LinkRoute], _ changes: [LinkChange] = [], script: LinkScript = LinkScript(),
    seed: UInt64 = 1
  ) throws {
    let listeners = try routes.map { try TCPListener($0.listen) }
    endpoints = listeners.map(\.endpoint)
    var forward = LinkConditions()
    var backward = LinkConditions()
    for change in changes {
      if change.direction != .backward { change.apply(to: &forward, at: 0) }
      if change.direction != .forward { change.apply(to: &backward, at: 0) }
    }
    let conditions = (forward, backward)
    let thread = Thread { [shared, ended] in
      EmulatorLoop(
        routes, listeners, shared, forward: conditions.0, backward: conditions.1,
        script: script, seed: seed
      ).run()
      ended.signal()
    }
    thread.name = "link"
    thread.start()
  }

  deinit { stop() }

  /// Changes the link now, and returns once it is so.
  public func apply(_ changes: [LinkChange]) {
    let taken = DispatchSemaphore(value: 0)
    shared.requests.withLock { $0.append((changes, taken)) }
    shared.bell.ring()
    // A link that has been stopped takes nothing any more.
    _ = taken.wait(timeout: .now() + 5)
  }

  /// Changes the link now, as a line says: `backward drop`, `delay 2ms rate 1Gbit/s`.
  ///
  /// - Throws: `LinkSyntaxError` when the line cannot be read; then nothing changes.
  public func apply(_ line: String) throws(LinkSyntaxError) {
    apply(try LinkChange.parse(line))
  }

  /// What went through so far.
  public var statistics: LinkStatistics { shared.statistics.withLock { $0 } }

  /// Ends all connections, and waits for that.
  public func stop() {
    shared.isStopped.store(true, ordering: .relaxed)
    shared.bell.ring()
    ended.wait()
    ended.signal()
  }
}

/// What an emulator's thread shares with others.
final class EmulatorState: Sendable {
  let isStopped = Atomic<Bool>(false)
  let requests = Mutex<[(changes: [LinkChange], taken: DispatchSemaphore)]>([])
  let statistics = Mutex(LinkStatistics())
  let bell = WakeUpBell()

  /// Takes the changes that were asked for, each to be signalled once it is carried out.
  func takeRequests() -> [(changes: [LinkChange], taken: DispatchSemaphore)] {
    requests.withLock { requests in
      defer { requests = [] }
      return requests
    }
  }
}
