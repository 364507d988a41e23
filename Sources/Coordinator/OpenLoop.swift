import Foundation
package import Telemetry

/// Sends probes at moments that are fixed beforehand, whatever became of the probes before.
///
/// A prober that waits for an echo before it sends the next probe asks least often when the link is
/// slowest, and its percentiles say so little about that (coordinated omission). Here the schedule is
/// fixed, a response time counts from the scheduled moment, and probes that a stall has held up are
/// sent right after each other and counted with all of their delay.
package struct OpenLoop {
  /// Nanoseconds from one probe to the next.
  private let interval: UInt64
  /// How long an echo may take.
  private let timeout: Duration

  /// A probe every `interval` nanoseconds, whose echo may take `timeout`.
  package init(interval: UInt64, timeout: Duration) {
    self.interval = interval
    self.timeout = timeout
  }

  /// Timer and thread wake-ups are only so precise; the rest is spun away.
  private static let spin: UInt64 = 200_000
  /// Waits of sockets have whole milliseconds; what is shorter is polled.
  private static let shortestWait: UInt64 = 1_200_000
  /// How long echoes are waited for before a full queue is tried again.
  private static let pause: UInt64 = 2_000_000

  /// Runs `count` probes of so many bytes each way.
  ///
  /// - Returns: The exchanges, in the order of the probes.
  /// - Throws: `ClusterError.probe` when an echo does not come in time.
  package func run(
    _ channel: some ProbeChannel, worker: String, first: UInt64, count: Int, byteCount: Int,
    echoByteCount: Int
  ) throws -> [Exchange] {
    var exchanges: [Exchange] = []
    exchanges.reserveCapacity(count)
    var receivedCount = 0
    let start = MonotonicTime.nanoseconds + Self.spin
    var lastEvent = start
    while receivedCount < count {
      let now = MonotonicTime.nanoseconds
      let intended = start + UInt64(exchanges.count) * interval
      let isDue = exchanges.count < count && now >= intended
      let number = first + UInt64(exchanges.count)
      if isDue,
        try channel.send(number: number, byteCount: byteCount, echoByteCount: echoByteCount)
      {
        exchanges.append(
          Exchange(intendedAt: intended, sentAt: now, receivedAt: 0, repliedAt: 0, arrivedAt: 0))
        lastEvent = now
        continue
      }
      guard isDue || exchanges.count > receivedCount else {
        Self.wait(until: intended)
        continue
      }
      let next = isDue ? now + Self.pause : exchanges.count < count ? intended : now + 100_000_000
      if let echo = try channel.receive(timeout: Self.patience(next > now ? next - now : 0)) {
        lastEvent = MonotonicTime.nanoseconds
        receivedCount += Self.note(echo, first: first, in: &exchanges) ? 1 : 0
      } else if Duration.nanoseconds(Int64(clamping: now - min(lastEvent, now))) > timeout {
        throw ClusterError.probe(worker: worker, reason: "no echo came within \(timeout)")
      }
    }
    return exchanges
  }

  private static func note(_ echo: Echo, first: UInt64, in exchanges: inout [Exchange]) -> Bool {
    guard echo.number >= first, echo.number - first < UInt64(exchanges.count) else { return false }
    let index = Int(echo.number - first)
    guard exchanges[index].arrivedAt == 0 else { return false }
    exchanges[index].receivedAt = echo.receivedAt
    exchanges[index].repliedAt = echo.repliedAt
    exchanges[index].arrivedAt = echo.arrivedAt
    return true
  }

  private static func patience(_ rest: UInt64) -> Duration {
    rest < shortestWait ? .zero : .milliseconds(Int64((rest - shortestWait / 2) / 1_000_000))
  }

  private static func wait(until time: UInt64) {
    let now = MonotonicTime.nanoseconds
    if time > now + spin {
      Thread.sleep(forTimeInterval: Double(time - now - spin) / 1e9)
    }
    while MonotonicTime.nanoseconds < time {}
  }
}
