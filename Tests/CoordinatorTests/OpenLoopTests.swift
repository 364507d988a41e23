import Coordinator
import Foundation
import Telemetry
import Testing

/// A worker that echoes at once, but stands still once; its queue holds so many probes.
private final class StallingChannel: ProbeChannel {
  private var waiting: [UInt64] = []
  private var stall: Duration?
  private let stalledProbe: UInt64
  private let queueLength: Int

  init(stall: Duration, at probe: UInt64, queueLength: Int) {
    self.stall = stall
    stalledProbe = probe
    self.queueLength = queueLength
  }

  func send(number: UInt64, byteCount: Int, echoByteCount: Int) -> Bool {
    guard waiting.count < queueLength else { return false }
    waiting.append(number)
    return true
  }

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
  /// Also where the stalled worker's queue takes no more of them.
  ///
  /// A prober that waits for each echo would send one probe into a stall of 100 ms, and its median
  /// and 90th percentile would know nothing of it.
  @Test(arguments: [1000, 5])
  func `a stall is felt by all probes that were due in it`(queueLength: Int) throws {
    let loop = OpenLoop(interval: 1_000_000, timeout: .seconds(20))
    let channel = StallingChannel(
      stall: .milliseconds(100), at: 20, queueLength: queueLength)
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

  @Test(arguments: [true, false])
  func `an echo that never comes is an error`(takesProbes: Bool) {
    final class Silence: ProbeChannel {
      let takesProbes: Bool
      init(takesProbes: Bool) { self.takesProbes = takesProbes }
      func send(number: UInt64, byteCount: Int, echoByteCount: Int) -> Bool { takesProbes }
      func receive(timeout: Duration) -> Echo? {
        usleep(1000)
        return nil
      }
    }
    let loop = OpenLoop(interval: 1_000_000, timeout: .milliseconds(50))
    #expect(throws: ClusterError.self) {
      try loop.run(
        Silence(takesProbes: takesProbes), worker: "worker 3", first: 1, count: 3, byteCount: 0,
        echoByteCount: 0)
    }
  }
}
