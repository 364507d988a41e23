internal import CAllocations

/// Counts heap allocations of the calling thread and of threads that it adopted.
///
/// One test at a time may count.
public enum Allocations {
  /// Whether anything can be counted; not under a sanitizer.
  public static var areCounted: Bool { allocations_are_counted() }

  /// Runs `body`; threads that it starts are counted later.
  public static func adoptingThreads<Value>(_ body: () throws -> Value) rethrows -> Value {
    allocations_adopt_threads(true)
    defer { allocations_adopt_threads(false) }
    return try body()
  }

  /// Allocations while `body` runs: ours, and those that ZeroMQ made in calls of ours.
  ///
  /// - Parameters:
  ///   - here: Whether the calling thread is counted, and not adopted ones only.
  ///   - body: What allocates, or does not.
  /// - Returns: Calls of malloc and its relatives.
  public static func count(
    here: Bool = true, _ body: () throws -> Void
  ) rethrows -> (own: Int, zeroMQ: Int) {
    var (own, zeroMQ) = (0, 0)
    allocations_count_thread(here)
    allocations_begin()
    defer { allocations_count_thread(false) }
    do {
      try body()
    } catch {
      unsafe allocations_end(&own, &zeroMQ)
      throw error
    }
    unsafe allocations_end(&own, &zeroMQ)
    return (own, zeroMQ)
  }
}
