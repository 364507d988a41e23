import Foundation
import Kernels

/// Memory that was freed and that the process still has.
enum FreedMemory {
  private static let interval: TimeInterval = 60

  /// Gives it back to the system once a minute, for as long as the process lives; to be called before
  /// other threads start.
  ///
  /// Every thread would allocate from an arena of its own, which keeps what a burst needed; over weeks
  /// that would grow in one arena after another, on machines whose memory is wanted for weights.
  static func goesBack() {
    shareArenas()
    let thread = Thread {
      while true {
        Thread.sleep(forTimeInterval: interval)
        returnFreedMemory()
      }
    }
    thread.name = "memory"
    thread.start()
  }
}
