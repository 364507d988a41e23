import Coordinator
import Foundation
import Telemetry
import Testing

/// A worker that echoes at once, but stands still once.
private final class StallingChannel: ProbeChannel {
  private var waiting: [UInt64] = []
  private var stall: Duration?
  private let stalledProbe: UInt64

  init(stall: Duration, at probe: UInt64) {
    self.stall = stall
    stalledProbe = probe
  }

  func send(number: UInt64, byteCount: Int, echoByteCount: Int) { waiting.append(number) }

  func receive(timeout: Duration) -> Echo? {
    if waiting.first == stalledProbe, let stall {
      Thread.sleep(forTimeInterval: stall / .seconds(1))
      self.stall = nil
    }
    guard !waiting.isEmpty else { return nil }
    let now = MonotonicTime.nanoseconds
    return Echo(number: waiting.removeFirst(), receivedAt: now, repliedAt: now, arrivedAt: now)
  }
}

@Suite struct OpenLoopTests {
  /// A prober that waits for each echo would send one probe into a stall of 100 ms, and its median
  /// and 90th percentile would know nothing of it.
  @Test func `a stall is felt by all probes that were due in it`() throws {
    let loop = OpenLoop(interval: 1_000_000, timeout: .seconds(20))
    let channel = StallingChannel(stall: .milliseconds(100), at: 20)
    let exchanges = try loop.run(
      channel, worker: "worker", first: 1, count: 200, byteCount: 0, echoByteCount: 0)
    #expect(exchanges.count == 200)
    #expect(exchanges.allSatisfy { $0.arrivedAt >= $0.sentAt && $0.sentAt >= $0.intendedAt })
    let gaps = zip(exchanges, exchanges.dropFirst()).map { $1.intendedAt - $0.intendedAt }
    #expect(gaps.allSatisfy { $0 == 1_000_000 })
    #expect(exchanges[19].responseTime >= 100_000_000)
    // The probe that was due 10 ms later waited 90 ms, and so on.
    for later in [10, 50, 80] {
      #expect(exchanges[19 + later].responseTime >= UInt64(100 - later) * 1_000_000)
    }
  }

  @Test func `an echo that never comes is an error`() {
    final class Silence: ProbeChannel {
      func send(number: UInt64, byteCount: Int, echoByteCount: Int) {}
      func receive(timeout: Duration) -> Echo? {
        usleep(1000)
        return nil
      }
    }
    let loop = OpenLoop(interval: 1_000_000, timeout: .milliseconds(50))
    #expect(throws: ClusterError.self) {
      try loop.run(
        Silence(), worker: "worker 3", first: 1, count: 3, byteCount: 0, echoByteCount: 0)
    }
  }
}
