import Foundation
import Messages
public import Placement
public import Telemetry
import Transport

/// What carries a probe.
public enum ProbeTransport: String, Sendable, CaseIterable, Codable {
  /// A plain TCP connection between the same processes.
  case tcp
  /// ZeroMQ without keys: the connection that dispatches use, or one like it.
  case zeromq
  /// ZeroMQ with CURVE: the connection that dispatches use, or one like it.
  case curve
}

/// Round trips on one worker's link, with a payload and no computation.
public struct ProbeResult: Sendable {
  /// The worker.
  public let worker: WorkerID
  /// Its number and name.
  public let label: String
  /// Bytes of the payload, each way.
  public let payloadByteCount: Int
  /// What carried it.
  public let transport: ProbeTransport
  /// Time from one probe to the next, as scheduled.
  public let interval: Duration
  /// Every probe, in order.
  public let exchanges: [Exchange]

  /// From the scheduled moment of each probe until its echo was here.
  public var roundTrips: LatencyHistogram {
    var histogram = LatencyHistogram()
    for exchange in exchanges { histogram.record(nanoseconds: exchange.responseTime) }
    return histogram
  }

  /// The mean difference between a round trip and the one before.
  public var jitter: Duration {
    let times = exchanges.map { Double($0.roundTrip) }
    guard times.count > 1 else { return .zero }
    let sum = zip(times, times.dropFirst()).reduce(0.0) { $0 + abs($1.0 - $1.1) }
    return .nanoseconds(Int64(sum / Double(times.count - 1)))
  }

  /// Estimated times of each way, by a clock's offset.
  public func oneWay(_ clock: ClockOffset) -> (out: LatencyHistogram, back: LatencyHistogram) {
    var out = LatencyHistogram()
    var back = LatencyHistogram()
    for exchange in exchanges {
      let received = clock.toOurs(exchange.receivedAt)
      let replied = clock.toOurs(exchange.repliedAt)
      out.record(nanoseconds: received > exchange.sentAt ? received - exchange.sentAt : 0)
      back.record(nanoseconds: exchange.arrivedAt > replied ? exchange.arrivedAt - replied : 0)
    }
    return (out, back)
  }
}

/// What is true of a link whatever the payload.
public struct LinkFigures: Sendable {
  /// The worker.
  public let worker: WorkerID
  /// Its number and name.
  public let label: String
  /// How far the worker's clock is ahead.
  public internal(set) var clock = ClockOffset()
  /// Bytes per second to the worker, by transport.
  public internal(set) var bytesPerSecondOut: [ProbeTransport: Double] = [:]
  /// Bytes per second from the worker, by transport.
  public internal(set) var bytesPerSecondBack: [ProbeTransport: Double] = [:]
  /// Segments that were sent again on the plain connection, to and from the worker; nil without one.
  public internal(set) var retransmitCount: (out: Int, back: Int)?

  init(worker: WorkerID, label: String) {
    self.worker = worker
    self.label = label
  }
}

/// Measures the data links; used by the thread that owns the data socket.
public final class LinkProber {
  private static let warmUpCount = 5
  /// Probes of one transport before the other has its turn, so that both see the same moments.
  private static let blockCount = 25
  /// A fixed schedule must leave the link idle most of the time, or it measures its own queue.
  private static let shortestInterval: UInt64 = 2_000_000
  /// What a measurement of bandwidth should take at least.
  private static let bandwidthTime: UInt64 = 20_000_000

  /// The connections to one worker.
  struct Channels {
    let data: DataChannel
    var plain: TCPChannel?
    /// ZeroMQ with keys where `data` has none, and without where it has some.
    var other: DataChannel?
  }

  let socket: DataSocket
  let links: [WorkerLink]
  let timeout: Duration
  var channels: [Channels]
  private var probeCount: UInt64 = 0
  /// What carries dispatches.
  public let dataTransport: ProbeTransport

  init(_ socket: DataSocket, links: [WorkerLink], isEncrypted: Bool, timeout: Duration) {
    self.socket = socket
    self.links = links
    self.timeout = timeout
    dataTransport = isEncrypted ? .curve : .zeromq
    channels = links.map { Channels(data: DataChannel(socket, $0)) }
  }

  /// The workers whose links there are.
  public var workers: [WorkerID] { links.map(\.id) }

  /// Round trips to one worker, with every transport that there is, in turns.
  ///
  /// - Parameters:
  ///   - worker: Index among `workers`.
  ///   - payloadByteCount: Bytes each way, at most 64 MiB.
  ///   - count: Probes of each transport, after a few that are not counted.
  ///   - interval: Time from one probe to the next; nil is four round trips, at least 2 ms.
  /// - Returns: A result for each transport.
  /// - Throws: `ClusterError.probe` when a worker is gone or an echo does not come in time.
  public func probe(
    worker: Int, payloadByteCount: Int, count: Int, interval: Duration? = nil
  ) throws -> [ProbeResult] {
    let byteCount = min(max(payloadByteCount, 0), WireLimits.probeByteCount)
    let transports = ProbeTransport.allCases.filter { channel($0, of: worker) != nil }
    var intervals: [ProbeTransport: UInt64] = [:]
    var exchanges: [ProbeTransport: [Exchange]] = [:]
    for transport in transports {
      let warmUps = try one(transport, worker, count: Self.warmUpCount, byteCount, byteCount)
      let typical = warmUps.map(\.roundTrip).sorted()[Self.warmUpCount / 2]
      intervals[transport] =
        interval.map { UInt64(max(0, $0 / .nanoseconds(1))) }
        ?? max(Self.shortestInterval, 4 * typical)
    }
    var rest = count
    while rest > 0 {
      let block = min(rest, Self.blockCount)
      for transport in transports {
        exchanges[transport, default: []] += try run(
          transport, worker, count: block, byteCount, byteCount, intervals[transport] ?? 0)
      }
      rest -= block
    }
    return transports.map {
      ProbeResult(
        worker: links[worker].id, label: links[worker].label, payloadByteCount: byteCount,
        transport: $0, interval: .nanoseconds(Int64(clamping: intervals[$0] ?? 0)),
        exchanges: exchanges[$0] ?? [])
    }
  }

  /// The clock, bandwidth and retransmissions of one worker's link.
  ///
  /// - Throws: `ClusterError.probe` when the worker is gone or an echo does not come in time.
  public func figures(worker: Int) throws -> LinkFigures {
    var figures = LinkFigures(worker: links[worker].id, label: links[worker].label)
    figures.clock = try clock(worker: worker)
    for transport in ProbeTransport.allCases where channel(transport, of: worker) != nil {
      figures.bytesPerSecondOut[transport] = try bandwidth(transport, worker) { ($0, 0) }
      figures.bytesPerSecondBack[transport] = try bandwidth(transport, worker) { (0, $0) }
    }
    if let plain = channels[worker].plain, let information = plain.information {
      _ = try run(.tcp, worker, count: 1, 0, 1, 0)  // brings the worker's count up to date
      figures.retransmitCount = (information.retransmitCount, plain.workerRetransmitCount)
    }
    return figures
  }

  /// How far a worker's clock is ahead: the best of some small exchanges.
  ///
  /// - Throws: `ClusterError.probe` when the worker is gone or an echo does not come in time.
  public func clock(worker: Int, count: Int = 50) throws -> ClockOffset {
    var clock = ClockOffset()
    for transport in ProbeTransport.allCases where channel(transport, of: worker) != nil {
      for exchange in try run(transport, worker, count: count, 0, 0, 300_000) {
        clock.add(exchange)
      }
    }
    return clock
  }

  private func channel(_ transport: ProbeTransport, of worker: Int) -> (any ProbeChannel)? {
    switch transport {
    case dataTransport: channels[worker].data
    case .tcp: channels[worker].plain
    case .zeromq, .curve: channels[worker].other
    }
  }

  private func run(
    _ transport: ProbeTransport, _ worker: Int, count: Int, _ byteCount: Int, _ echoByteCount: Int,
    _ interval: UInt64
  ) throws -> [Exchange] {
    guard let channel = self.channel(transport, of: worker) else { return [] }
    let first = probeCount + 1
    probeCount += UInt64(count)
    return try OpenLoop(interval: interval, timeout: timeout).run(
      channel, worker: links[worker].label, first: first, count: count, byteCount: byteCount,
      echoByteCount: echoByteCount)
  }

  /// Probes one after another, none sent before the last one's echo is here.
  private func one(
    _ transport: ProbeTransport, _ worker: Int, count: Int, _ byteCount: Int, _ echoByteCount: Int
  ) throws -> [Exchange] {
    try (0..<count).flatMap { _ in
      try run(transport, worker, count: 1, byteCount, echoByteCount, 0)
    }
  }

  /// Bytes per second of one direction: a transfer that is long enough, without the least round trip.
  private func bandwidth(
    _ transport: ProbeTransport, _ worker: Int, bytes: (Int) -> (Int, Int)
  ) throws -> Double {
    let small = try one(transport, worker, count: 5, 0, 0).map(\.networkTime).min() ?? 0
    var byteCount = 256 << 10
    while true {
      let (out, back) = bytes(byteCount)
      let times = try one(transport, worker, count: 3, out, back).map(\.networkTime).sorted()
      if times[1] >= Self.bandwidthTime || byteCount >= WireLimits.probeByteCount / 2 {
        return Double(byteCount) / (Double(max(times[1] - min(small, times[1]), 1)) / 1e9)
      }
      byteCount *= 4
    }
  }
}
