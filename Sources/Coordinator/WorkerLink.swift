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
  /// The epoch of its first assignment, which all its data messages carry.
  let epoch: Epoch
  /// Bytes of weights that it reads per second.
  let bytesPerSecond: Double
  private let measured = Mutex<HopLatencies?>(HopLatencies())

  init(_ worker: Roster.Worker, peer: RoutingID) {
    id = worker.id
    label = worker.label
    incarnation = worker.incarnation
    epoch = worker.epoch
    bytesPerSecond = worker.bytesPerSecond
    self.peer = peer
  }

  /// Counts one answered call, whose reply came at `arrivedAt` nanoseconds.
  func record(_ reply: ReplyHeader, arrivedAt: UInt64) {
    let times = reply.times
    measured.withLock {
      $0?.record(
        roundTrip: arrivedAt >= reply.enqueuedAt ? arrivedAt - reply.enqueuedAt : 0,
        queue: times.computeStartedAt - times.receivedAt,
        compute: times.computeEndedAt - times.computeStartedAt,
        reply: times.repliedAt - times.computeEndedAt)
    }
  }

  /// What was measured so far; nil once the worker is gone.
  var latencies: HopLatencies? { measured.withLock { $0 } }

  /// Frees what was measured: histograms take a megabyte, and lost links may stay in the list.
  func retire() { measured.withLock { $0 = nil } }
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

extension ShareRecord {
  /// The times of an answered share; when it was sent is not in the reply.
  init(_ reply: ReplyHeader, from worker: Int, arrivedAt: UInt64) {
    self.init(worker: worker, sentAt: 0)
    receivedAt = reply.times.receivedAt
    computeStartedAt = reply.times.computeStartedAt
    computeEndedAt = reply.times.computeEndedAt
    repliedAt = reply.times.repliedAt
    self.arrivedAt = arrivedAt
  }
}
