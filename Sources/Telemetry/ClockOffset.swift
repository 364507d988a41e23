/// How far a worker's clock is ahead of ours, from exchanges of messages.
///
/// As in NTP, an exchange that was sent at t1, received at t2, answered at t3 and back at t4 says
/// ((t2 − t1) + (t3 − t4)) / 2, wrong by at most half of its network time (t4 − t1) − (t3 − t2):
/// by so much if all of that was spent in one direction. The exchange with the least network time is
/// the best one, so it is the one that counts.
public struct ClockOffset: Sendable, Equatable {
  /// Nanoseconds to subtract from the worker's times.
  public private(set) var nanoseconds: Int64 = 0
  /// By how many nanoseconds that may be wrong at most; the largest number without an exchange.
  public private(set) var errorBound: UInt64 = .max
  /// When the exchange was that it comes from, in nanoseconds of our clock.
  public private(set) var measuredAt: UInt64 = 0

  /// Nothing known.
  public init() {}

  /// Whether there was an exchange.
  public var isKnown: Bool { errorBound < .max }

  /// Takes an exchange into account: sent and back by our clock, received and answered by the other.
  public mutating func add(_ exchange: Exchange) {
    let network = exchange.networkTime
    guard (network + 1) / 2 < errorBound else { return }
    errorBound = (network + 1) / 2
    measuredAt = exchange.arrivedAt
    let there = Int64(truncatingIfNeeded: exchange.receivedAt &- exchange.sentAt)
    let back = Int64(truncatingIfNeeded: exchange.repliedAt &- exchange.arrivedAt)
    // Halves first: the clocks of two machines may be any number apart.
    nanoseconds = there / 2 + back / 2 + (there % 2 + back % 2) / 2
  }

  /// A time of the worker's clock on ours.
  public func toOurs(_ time: UInt64) -> UInt64 { time &- UInt64(bitPattern: nanoseconds) }
}

/// One message there and back.
public struct Exchange: Sendable, Equatable {
  /// When it should have been sent, by our clock.
  public var intendedAt: UInt64
  /// When sending it began, by our clock.
  public var sentAt: UInt64
  /// When it was received, by the worker's clock.
  public var receivedAt: UInt64
  /// When the answer was sent, by the worker's clock.
  public var repliedAt: UInt64
  /// When the answer was here, by our clock.
  public var arrivedAt: UInt64

  /// States an exchange; all times in nanoseconds.
  public init(
    intendedAt: UInt64, sentAt: UInt64, receivedAt: UInt64, repliedAt: UInt64, arrivedAt: UInt64
  ) {
    self.intendedAt = intendedAt
    self.sentAt = sentAt
    self.receivedAt = receivedAt
    self.repliedAt = repliedAt
    self.arrivedAt = arrivedAt
  }

  /// From the intended moment until the answer was here.
  public var responseTime: UInt64 { arrivedAt > intendedAt ? arrivedAt - intendedAt : 0 }

  /// From sending until the answer was here.
  public var roundTrip: UInt64 { arrivedAt > sentAt ? arrivedAt - sentAt : 0 }

  /// The round trip without what the worker took.
  public var networkTime: UInt64 {
    let worker = repliedAt > receivedAt ? repliedAt - receivedAt : 0
    return roundTrip > worker ? roundTrip - worker : 0
  }
}

/// A worker's clock over some time: two offsets, and what lies between.
public struct ClockMap: Sendable, Equatable {
  private let first: ClockOffset
  private let last: ClockOffset

  /// A clock whose offset changed evenly between two measurements.
  public init(_ first: ClockOffset, _ last: ClockOffset) {
    self.first = first.isKnown ? first : last
    self.last = last.isKnown ? last : first
  }

  /// By how many nanoseconds a time may be wrong at most.
  public var errorBound: UInt64 { max(first.errorBound, last.errorBound) }

  /// The offset in the middle, in nanoseconds.
  public var offset: Int64 { first.nanoseconds / 2 + last.nanoseconds / 2 }

  /// How fast the worker's clock gains, in parts per million.
  public var driftPerMillion: Double {
    let elapsed = Double(last.measuredAt) - Double(first.measuredAt)
    guard elapsed > 0 else { return 0 }
    return (Double(last.nanoseconds) - Double(first.nanoseconds)) / elapsed * 1e6
  }

  /// A time of the worker's clock on ours, in nanoseconds.
  public func toOurs(_ time: UInt64) -> UInt64 {
    let rough = first.toOurs(time)
    let elapsed = Double(last.measuredAt) - Double(first.measuredAt)
    guard elapsed > 0 else { return rough }
    let share = (Double(rough) - Double(first.measuredAt)) / elapsed
    let change = Double(last.nanoseconds) - Double(first.nanoseconds)
    let drift = min(max(change * min(max(share, -1), 2), -0x1p62), 0x1p62)
    return rough &- UInt64(bitPattern: Int64(drift.rounded()))
  }
}
