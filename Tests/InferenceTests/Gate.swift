import Dispatch

/// Lets a test hold the engine before a step.
final class Gate: Sendable {
  private let permits = DispatchSemaphore(value: 0)
  private let arrivals = DispatchSemaphore(value: 0)

  /// Called by the engine's thread.
  func pass() {
    arrivals.signal()
    permits.wait()
  }

  /// Returns when the engine's thread waits.
  func waitForArrival() async {
    await withCheckedContinuation { continuation in
      DispatchQueue.global().async {
        self.arrivals.wait()
        continuation.resume()
      }
    }
  }

  func open(_ count: Int = 1) { for _ in 0..<count { permits.signal() } }
}
