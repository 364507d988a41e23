import Foundation
import Synchronization
import Telemetry
import Transport

/// The thread of an emulated link: takes connections and passes bytes on when they are due.
final class EmulatorLoop {
  /// Bytes that a direction reads at once, when its rate has no limit.
  private static let burstByteCount = 64 << 10
  /// How much of a rate's second is read at once, so that long messages arrive bit by bit.
  private static let burstSeconds = 100e-6
  /// How long bytes may wait for the line before reading pauses, and the sender feels it.
  private static let longestBacklog: UInt64 = 2_000_000
  /// How long reading pauses when there is no more room for bytes on their way.
  private static let fullPause: UInt64 = 1_000_000
  private static let firstConnectionKey: UInt64 = 1 << 32

  private let routes: [LinkRoute]
  private let listeners: [TCPListener]
  private let poller: Poller
  private let shared: EmulatorState
  private let seed: UInt64
  private var script: LinkScript
  private var conditions: [LinkDirection: LinkConditions]
  private var timings: [LinkDirection: LinkTiming]
  private var connections: [UInt64: EmulatedConnection] = [:]
  private var nextKey = firstConnectionKey
  private var downUntil: UInt64 = 0
  private var scratch = [UInt8](repeating: 0, count: burstByteCount)

  init(
    _ routes: [LinkRoute], _ listeners: [TCPListener], _ shared: EmulatorState,
    forward: LinkConditions, backward: LinkConditions, script: LinkScript, seed: UInt64
  ) {
    self.routes = routes
    self.listeners = listeners
    self.shared = shared
    self.script = script
    self.seed = seed
    conditions = [.forward: forward, .backward: backward]
    timings = [.forward: LinkTiming(seed: seed), .backward: LinkTiming(seed: seed &+ 1)]
    poller = Poller(bell: shared.bell)
    for (index, listener) in listeners.enumerated() {
      poller.add(listener.descriptor, .read, key: UInt64(index))
    }
  }

  /// Runs until it is told to stop.
  func run() {
    let start = MonotonicTime.nanoseconds
    while !shared.isStopped.load(ordering: .relaxed) {
      for ready in poller.wait(until: nextTime(start)) { take(ready) }
      let now = MonotonicTime.nanoseconds
      for change in script.takeDue(at: now &- start) { apply(change, now) }
      for request in shared.takeRequests() {
        for change in request.changes { apply(change, now) }
        request.taken.signal()
      }
      for (key, connection) in connections { serve(connection, key) }
    }
  }

  /// When there is something to do that no socket tells.
  private func nextTime(_ start: UInt64) -> UInt64? {
    var next = script.nextTime.map { start &+ $0 } ?? .max
    for connection in connections.values {
      for direction in LinkDirection.allCases {
        let conditions = conditions[direction] ?? LinkConditions()
        next = min(next, connection[direction].nextTime(conditions) ?? .max)
      }
    }
    return next == .max ? nil : next
  }

  private func take(_ ready: Poller.Ready) {
    guard ready.key >= Self.firstConnectionKey else { return accept(Int(ready.key)) }
    guard let connection = connections[ready.key & ~1] else { return }
    let isServer = ready.key & 1 == 1
    if !connection.isConnected {
      guard isServer else { return }
      if connection.server.connectionError != 0 { return reset(connection) }
      connection.isConnected = true
      return
    }
    if ready.interest.contains(.write) || !ready.interest.isDisjoint(with: .failure) {
      connection[isServer ? .forward : .backward].isBlocked = false
    }
    if ready.interest.contains(.read) || !ready.interest.isDisjoint(with: .failure) {
      pull(connection, isServer ? .backward : .forward)
    }
  }

  private func accept(_ route: Int) {
    while let client = listeners[route].accept() {
      shared.statistics.withLock { $0.connectionCount += 1 }
      guard MonotonicTime.nanoseconds >= downUntil,
        let server = try? TCPSocket.connecting(to: routes[route].target)
      else {
        client.resetWhenClosed()
        shared.statistics.withLock { $0.resetCount += 1 }
        continue
      }
      let connection = EmulatedConnection(client: client, server: server, seed: seed &+ nextKey)
      poller.add(server.descriptor, connection.interests.server, key: nextKey | 1)
      connections[nextKey] = connection
      nextKey += 2
    }
  }

  private func reset(_ connection: EmulatedConnection) {
    guard !connection.isClosed else { return }
    connection.client.resetWhenClosed()
    connection.server.resetWhenClosed()
    connection.isClosed = true
    shared.statistics.withLock { $0.resetCount += 1 }
  }

  private func apply(_ change: LinkChange, _ now: UInt64) {
    for direction in LinkDirection.allCases
    where change.direction == nil || change.direction == direction {
      change.apply(to: &conditions[direction, default: LinkConditions()], at: now)
    }
    switch change.action {
    case .down(let duration): downUntil = duration.map { now &+ $0 } ?? .max
    case .up: downUntil = 0
    case .cut: break
    default: return
    }
    guard change.action != .up else { return }
    for connection in connections.values { reset(connection) }
  }
}

// MARK: - Bytes

extension EmulatorLoop {
  /// Passes on what is due, and sees to it that the poller tells what is needed next.
  private func serve(_ connection: EmulatedConnection, _ key: UInt64) {
    for direction in LinkDirection.allCases where connection.isConnected {
      let now = MonotonicTime.nanoseconds
      let paused = connection[direction].pausedUntil
      if paused > 0, paused <= now {
        connection[direction].pausedUntil = 0
        pull(connection, direction)
      }
      push(connection, direction)
    }
    if connection.isClosed || connection.isDone {
      connections[key] = nil  // closes its sockets
      return
    }
    let wanted = connection.wanted
    let known = connection.interests
    poller.change(connection.client.descriptor, from: known.client, to: wanted.client, key: key)
    poller.change(connection.server.descriptor, from: known.server, to: wanted.server, key: key | 1)
    connection.interests = wanted
  }

  /// Reads what has come, as far as the line takes it.
  private func pull(_ connection: EmulatedConnection, _ direction: LinkDirection) {
    guard let conditions = conditions[direction], connection[direction].isOpen else { return }
    let limit = burst(conditions)
    while !connection.isClosed {
      let now = MonotonicTime.nanoseconds
      let backlog = timings[direction]?.backlog(at: now) ?? 0
      if backlog > Self.longestBacklog {
        connection[direction].pausedUntil = now + backlog - Self.longestBacklog / 2
        return
      }
      let outcome =
        conditions.isDropping
        ? connection[direction].source.read(into: &scratch, range: 0..<limit)
        : read(connection, direction, limit: limit)
      guard let outcome else {
        connection[direction].pausedUntil = now + Self.fullPause
        return
      }
      switch outcome {
      case .bytes(let count):
        take(count, connection, direction, conditions)
        if count < limit { return }
      case .wouldBlock: return
      case .ended:
        connection[direction].isOpen = false
        if !conditions.isDropping {
          connection[direction].line.end(arrival: arrival(of: 0, direction, conditions))
        }
        return
      case .broken: return reset(connection)
      }
    }
  }

  private func burst(_ conditions: LinkConditions) -> Int {
    guard let rate = conditions.bytesPerSecond else { return Self.burstByteCount }
    return min(max(Int(rate * Self.burstSeconds), 1500), Self.burstByteCount)
  }

  /// Nil when there is no more room.
  private func read(
    _ connection: EmulatedConnection, _ direction: LinkDirection, limit: Int
  ) -> TCPSocket.Outcome? {
    let room = connection[direction].line.room()
    guard !room.isEmpty else { return nil }
    let range = room.lowerBound..<min(room.upperBound, room.lowerBound + limit)
    let source = connection[direction].source
    return connection[direction].line.withStorage { source.read(into: &$0, range: range) }
  }

  private func arrival(
    of byteCount: Int, _ direction: LinkDirection, _ conditions: LinkConditions
  ) -> UInt64 {
    let now = MonotonicTime.nanoseconds
    return timings[direction]?.arrival(of: byteCount, at: now, conditions) ?? now
  }

  private func take(
    _ count: Int, _ connection: EmulatedConnection, _ direction: LinkDirection,
    _ conditions: LinkConditions
  ) {
    var flippedCount = 0
    if !conditions.isDropping {
      let start = connection[direction].line.room().lowerBound
      if conditions.flipProbability > 0 {
        var flipper = connection[direction].flipper
        flippedCount = connection[direction].line.withStorage {
          flipper.flip(&$0, range: start..<start + count, probability: conditions.flipProbability)
        }
        connection[direction].flipper = flipper
      }
      let arrival = arrival(of: count, direction, conditions)
      connection[direction].line.append(byteCount: count, arrival: arrival)
    }
    shared.statistics.withLock {
      $0[direction].byteCount += count
      $0[direction].burstCount += 1
      $0[direction].flippedByteCount += flippedCount
      if conditions.isDropping { $0[direction].droppedByteCount += count }
    }
  }

  /// Passes on what has arrived.
  private func push(_ connection: EmulatedConnection, _ direction: LinkDirection) {
    let stalledUntil = conditions[direction]?.stalledUntil ?? 0
    while !connection.isClosed, !connection[direction].isBlocked {
      let now = MonotonicTime.nanoseconds
      guard now >= stalledUntil else { return }
      let range = connection[direction].line.arrived(at: now)
      guard !range.isEmpty else { break }
      let due = connection[direction].line.nextArrival ?? now
      let sink = connection[direction].sink
      switch sink.write(connection[direction].line.storage, range: range) {
      case .bytes(let count):
        connection[direction].line.remove(byteCount: count)
        connection[direction].isBlocked = count < range.count
        if due >= stalledUntil { note(late: now - min(due, now), direction) }
      case .wouldBlock: connection[direction].isBlocked = true
      case .ended, .broken: return reset(connection)
      }
    }
    finish(connection, direction)
  }

  private func note(late: UInt64, _ direction: LinkDirection) {
    shared.statistics.withLock { $0[direction].lateness.record(nanoseconds: late) }
  }

  /// Passes the end on once everything before it has been.
  private func finish(_ connection: EmulatedConnection, _ direction: LinkDirection) {
    guard !connection[direction].isFinished,
      connection[direction].line.hasEnded(at: MonotonicTime.nanoseconds)
    else { return }
    connection[direction].isFinished = true
    connection[direction].sink.finishWriting()
  }
}
