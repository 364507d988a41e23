/// Where the time of one worker's calls went, hop by hop.
///
/// Times of the worker's clock are only subtracted from each other, never from the coordinator's.
public struct HopLatencies: Sendable {
  /// Dispatch begun to reply taken from the socket, by the coordinator's clock.
  public var roundTrip = LatencyHistogram()
  /// Round trip without the worker's part: both directions, with the socket queues.
  public var network = LatencyHistogram()
  /// Taken from the worker's socket to computation started.
  public var queue = LatencyHistogram()
  /// Computation.
  public var compute = LatencyHistogram()
  /// Computation ended to reply handed to the worker's socket.
  public var reply = LatencyHistogram()

  /// Nothing counted yet.
  public init() {}

  /// Counts one call.
  ///
  /// - Parameters:
  ///   - roundTrip: Nanoseconds from dispatch to reply, by the coordinator's clock.
  ///   - queue: Nanoseconds from receipt to the start of the computation, by the worker's clock.
  ///   - compute: Nanoseconds of computation, by the worker's clock.
  ///   - reply: Nanoseconds from its end to the reply's sending, by the worker's clock.
  public mutating func record(roundTrip: UInt64, queue: UInt64, compute: UInt64, reply: UInt64) {
    self.roundTrip.record(nanoseconds: roundTrip)
    let (first, overflow) = queue.addingReportingOverflow(compute)
    let (atWorker, overflow2) = first.addingReportingOverflow(reply)
    let worker = overflow || overflow2 ? UInt64.max : atWorker
    network.record(nanoseconds: roundTrip > worker ? roundTrip - worker : 0)
    self.queue.record(nanoseconds: queue)
    self.compute.record(nanoseconds: compute)
    self.reply.record(nanoseconds: reply)
  }
}
