import Synchronization

/// When a thread last got on with its work, for those who watch it.
public final class Heartbeat: Sendable {
  private let last = Atomic<UInt64>(0)  // nanoseconds; 0 while it rests

  /// A thread that rests.
  public init() {}

  /// The thread gets on.
  public func beat() { last.store(max(MonotonicTime.nanoseconds, 1), ordering: .relaxed) }

  /// The thread has nothing to do until the next `beat`.
  public func rest() { last.store(0, ordering: .relaxed) }

  /// There is work for the thread, which may be resting.
  public func wake() {
    _ = last.compareExchange(
      expected: 0, desired: max(MonotonicTime.nanoseconds, 1), ordering: .relaxed)
  }

  /// How long the thread has had work and not got on with it; zero while it rests.
  public var silence: Duration {
    let last = last.load(ordering: .relaxed)
    guard last > 0 else { return .zero }
    return .nanoseconds(Int64(clamping: MonotonicTime.nanoseconds &- last))
  }
}
