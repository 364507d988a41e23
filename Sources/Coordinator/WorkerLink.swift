import Messages
public import Placement
import Synchronization
public import Telemetry
import Transport

/// The data connection to one worker, with what was measured on it.
final class WorkerLink: Sendable {
  let id: WorkerID
  /// What errors call the worker.
  let label: String
  let peer: RoutingID
  let incarnation: Incarnation
  private let measured = Mutex(HopLatencies())

  init(id: WorkerID, label: String, peer: RoutingID, incarnation: Incarnation) {
    self.id = id
    self.label = label
    self.peer = peer
    self.incarnation = incarnation
  }

  /// Counts one answered call, whose reply came at `arrivedAt` nanoseconds.
  func record(_ reply: ReplyHeader, arrivedAt: UInt64) {
    let times = reply.times
    measured.withLock {
      $0.record(
        roundTrip: arrivedAt >= reply.enqueuedAt ? arrivedAt - reply.enqueuedAt : 0,
        queue: times.computeStartedAt - times.receivedAt,
        compute: times.computeEndedAt - times.computeStartedAt,
        reply: times.repliedAt - times.computeEndedAt)
    }
  }

  /// What was measured so far.
  var latencies: HopLatencies { measured.withLock { $0 } }
}

/// What was measured on the link to one worker.
public struct LinkLatencies: Sendable {
  /// The worker.
  public let worker: WorkerID
  /// Its number and name.
  public let label: String
  /// Its calls, hop by hop.
  public let hops: HopLatencies
}
