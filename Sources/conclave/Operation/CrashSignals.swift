import Foundation

/// What a crash does to a process whose port others need.
enum CrashSignals {
  /// Lets a crash end the process at once, as the system does it, with a core file where one is wanted.
  ///
  /// Swift's runtime starts a backtracer instead. It keeps the process and its listening sockets until
  /// it has named every frame, or for good when the process ends before it has, and then nothing can
  /// start in its place. Who sets `SWIFT_BACKTRACE` wants that.
  static func endAtOnce() {
    guard ProcessInfo.processInfo.environment["SWIFT_BACKTRACE"] == nil else { return }
    for number in [SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV] {
      signal(number, SIG_DFL)
    }
  }
}
