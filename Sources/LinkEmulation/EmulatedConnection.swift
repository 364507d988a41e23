import Transport

/// One connection through the link: two sockets, and what is on its way between them.
final class EmulatedConnection {
  /// One of its two ways.
  struct Way {
    let source: TCPSocket
    let sink: TCPSocket
    var line = DelayLine()
    var flipper: ByteFlipper
    /// Whether the source may still send.
    var isOpen = true
    /// Whether the sink takes nothing now.
    var isBlocked = false
    /// When reading goes on that waits for the line; 0 when it does not wait.
    var pausedUntil: UInt64 = 0
    /// Whether the sink was told that no more follows.
    var isFinished = false

    /// When there is something to do next.
    func nextTime(_ conditions: LinkConditions) -> UInt64? {
      var next = pausedUntil > 0 ? pausedUntil : UInt64.max
      if !isBlocked, !isFinished, let arrival = line.nextArrival {
        next = min(next, max(arrival, conditions.stalledUntil))
      }
      return next == .max ? nil : next
    }
  }

  let client: TCPSocket
  let server: TCPSocket
  var forward: Way
  var backward: Way
  /// Whether the far side has accepted.
  var isConnected = false
  var isClosed = false
  /// What the poller was told last, for client and server.
  var interests: (client: Poller.Interest, server: Poller.Interest) = ([], .write)

  init(client: TCPSocket, server: TCPSocket, seed: UInt64) {
    self.client = client
    self.server = server
    forward = Way(source: client, sink: server, flipper: ByteFlipper(seed: seed))
    backward = Way(source: server, sink: client, flipper: ByteFlipper(seed: ~seed))
  }

  subscript(_ direction: LinkDirection) -> Way {
    get { direction == .forward ? forward : backward }
    _modify {
      if direction == .forward { yield &forward } else { yield &backward }
    }
  }

  /// Whether both sides have said all.
  var isDone: Bool { forward.isFinished && backward.isFinished }

  /// What is to be waited for now.
  var wanted: (client: Poller.Interest, server: Poller.Interest) {
    guard isConnected else { return ([], .write) }
    var client: Poller.Interest = forward.isOpen && forward.pausedUntil == 0 ? .read : []
    var server: Poller.Interest = backward.isOpen && backward.pausedUntil == 0 ? .read : []
    if forward.isBlocked { server.insert(.write) }
    if backward.isBlocked { client.insert(.write) }
    return (client, server)
  }
}
