import Foundation

/// The clock of every timeout and timestamp: steady, never set, of no meaning to another machine.
public enum MonotonicTime {
  /// Nanoseconds since some fixed moment, usually the start of the machine.
  public static var nanoseconds: UInt64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
  }

  /// The same as a duration, for decisions that take time as a value.
  public static var now: Duration { .nanoseconds(Int64(truncatingIfNeeded: nanoseconds)) }
}
