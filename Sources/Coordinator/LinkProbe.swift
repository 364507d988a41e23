import Messages
public import Placement
public import Telemetry
import Transport

/// Raw round trips on one worker's data link, with a payload and no computation.
public struct ProbeResult: Sendable {
  /// The worker.
  public let worker: WorkerID
  /// Its number and name.
  public let label: String
  /// Bytes of the payload, each way.
  public let payloadByteCount: Int
  /// The round trips.
  public let roundTrips: LatencyHistogram
}

extension RemoteExperts {
  /// The same as `ClusterCoordinator.probe`, for who has only the experts.
  ///
  /// - Parameters:
  ///   - payloadByteCount: Bytes each way, at most 64 MiB.
  ///   - count: Round trips for each worker, after a few that are not counted.
  /// - Returns: One result for each worker.
  /// - Throws: `ClusterError` when a worker is gone or does not echo within the combine timeout.
  public func probe(payloadByteCount: Int, count: Int) throws -> [ProbeResult] {
    try LinkProber(socket, links: liveLinks, timeout: combineTimeout)
      .probe(payloadByteCount: payloadByteCount, count: count)
  }
}

/// Measures round trips on the data links; used by the thread that owns the data socket.
final class LinkProber {
  private static let warmUpCount = 5

  private let socket: DataSocket
  private let links: [WorkerLink]
  private let timeout: Duration
  private var inbox = Multipart()
  private var probeCount: UInt64 = 0

  init(_ socket: DataSocket, links: [WorkerLink], timeout: Duration) {
    self.socket = socket
    self.links = links
    self.timeout = timeout
  }

  /// `count` round trips to every worker, one worker after another.
  func probe(payloadByteCount: Int, count: Int) throws -> [ProbeResult] {
    let byteCount = min(max(payloadByteCount, 0), WireLimits.probeByteCount)
    return try links.map { link in
      var roundTrips = LatencyHistogram()
      for round in 0..<count + Self.warmUpCount {
        let nanoseconds = try roundTrip(link, byteCount: byteCount)
        if round >= Self.warmUpCount { roundTrips.record(nanoseconds: nanoseconds) }
      }
      return ProbeResult(
        worker: link.id, label: link.label, payloadByteCount: byteCount, roundTrips: roundTrips)
    }
  }

  /// Nanoseconds from beginning to write a probe until its echo is here.
  private func roundTrip(_ link: WorkerLink, byteCount: Int) throws -> UInt64 {
    let start = MonotonicTime.nanoseconds
    let deadline = MonotonicTime.now + timeout
    probeCount += 1
    let probe = ProbeHeader(number: probeCount, echoByteCount: byteCount, enqueuedAt: start)
    do throws(TransportError) {
      var message = Multipart()
      try message.append(byteCount: 0)
      try message.append(byteCount: byteCount)
      try socket.send(.probe(probe), &message, to: link)
    } catch {
      throw ClusterError.probe(worker: link.label, reason: error.reason)
    }
    while MonotonicTime.now <= deadline {
      guard let sender = try socket.router.receive(&inbox, timeout: .milliseconds(100)) else {
        if let problem = socket.ping(link) {
          throw ClusterError.probe(worker: link.label, reason: problem)
        }
        continue
      }
      let arrivedAt = MonotonicTime.nanoseconds
      guard sender == link.peer else { continue }
      switch socket.check(inbox, of: link) {
      case .echo(let echo) where echo.number == probe.number: return arrivedAt - start
      case .garbage(let what):
        throw ClusterError.probe(worker: link.label, reason: "it sent \(what)")
      case .echo, .reply, .stale: continue
      }
    }
    throw ClusterError.probe(
      worker: link.label, reason: "no echo came within \(timeout)")
  }
}
