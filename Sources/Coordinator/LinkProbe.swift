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
  /// Measures round trips to every worker, one after another; call it between steps.
  ///
  /// - Parameters:
  ///   - payloadByteCount: Bytes each way, at most 64 MiB.
  ///   - count: Round trips for each worker, after a few that are not counted.
  /// - Throws: `ClusterError` when a worker does not echo within the combine timeout.
  public func probe(payloadByteCount: Int, count: Int) throws -> [ProbeResult] {
    let byteCount = min(max(payloadByteCount, 0), WireLimits.probeByteCount)
    return try links.indices.map { worker in
      var roundTrips = LatencyHistogram()
      for round in 0..<count + Self.warmUpCount {
        let nanoseconds = try roundTrip(worker, byteCount: byteCount)
        if round >= Self.warmUpCount { roundTrips.record(nanoseconds: nanoseconds) }
      }
      return ProbeResult(
        worker: links[worker].id, label: links[worker].label, payloadByteCount: byteCount,
        roundTrips: roundTrips)
    }
  }

  private static var warmUpCount: Int { 5 }

  /// Nanoseconds from beginning to write a probe until its echo is here.
  private func roundTrip(_ worker: Int, byteCount: Int) throws -> UInt64 {
    let start = MonotonicTime.nanoseconds
    let deadline = MonotonicTime.now + combineTimeout
    probeCount += 1
    let probe = ProbeHeader(number: probeCount, echoByteCount: byteCount, enqueuedAt: start)
    do throws(TransportError) {
      var message = Multipart()
      try message.append(byteCount: 0)
      try message.append(byteCount: byteCount)
      try socket.send(.probe(probe), &message, to: links[worker])
    } catch {
      throw ClusterError.probe(worker: links[worker].label, reason: error.reason)
    }
    while MonotonicTime.now <= deadline {
      if case .echo(let echo, worker, let arrivedAt) = try receive(timeout: .milliseconds(100)),
        echo.number == probe.number
      {
        return arrivedAt - start
      }
    }
    throw ClusterError.probe(
      worker: links[worker].label, reason: "no echo came within \(combineTimeout)")
  }
}
