internal import CAllocations
internal import Synchronization

/// Counts heap allocations of the calling thread and of threads that it adopted.
public enum Allocations {
  /// Whether anything can be counted; not under a sanitizer.
  public static var areCounted: Bool { allocations_are_counted() }

  private static let lock = Mutex(())

  /// Runs `body`; threads that it starts are counted later, and those that they start.
  public static func adoptingThreads<Value>(_ body: () throws -> Value) rethrows -> Value {
    allocations_adopt_threads(true)
    defer { allocations_adopt_threads(false) }
    return try body()
  }

  /// Allocations while `body` runs: ours, and those that ZeroMQ made in calls of ours.
  ///
  /// - Parameters:
  ///   - here: Whether the calling thread is counted, and not adopted ones only.
  ///   - name: Counts only threads of this name, of at most 15 characters.
  ///   - body: What allocates, or does not.
  /// - Returns: Calls of malloc and its relatives.
  public static func count(
    here: Bool = true, threads name: String? = nil, _ body: () throws -> Void
  ) rethrows -> (own: Int, zeroMQ: Int) {
    try lock.withLock { _ in
      var (own, zeroMQ) = (0, 0)
      allocations_count_thread(here)
      unsafe allocations_begin(name)
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
}
