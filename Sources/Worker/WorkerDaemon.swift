import Foundation
import Logging
import Messages
import Synchronization
import Telemetry
import Transport

/// The worker process: joins a coordinator, holds the experts it is told to, answers dispatches.
///
/// `run` is the control thread: it owns the control socket and answers while the compute thread,
/// which owns the data socket, loads and computes.
public final class WorkerDaemon: Sendable {
  private let options: WorkerOptions
  private let wish = Atomic<Wish>(.serve)

  /// What somebody wants of the daemon.
  enum Wish: Int, AtomicRepresentable {
    case serve
    /// Go when others have taken over what it holds, or after a while.
    case drain
    /// Go at once.
    case stop
  }

  /// A daemon that does nothing before `run`.
  public init(_ options: WorkerOptions) { self.options = options }

  /// Ends `run` soon, from any thread or signal source.
  public func stop() { wish.store(.stop, ordering: .relaxed) }

  /// Ends `run` when the coordinator has given to others what this worker holds, or after
  /// `drainTimeout`; from any thread or signal source.
  public func drain() {
    _ = wish.compareExchange(expected: .serve, desired: .drain, ordering: .relaxed)
  }

  private var isEnding: Bool { wish.load(ordering: .relaxed) != .serve }

  /// Serves until `stop`, a coordinator's shutdown, or the end of the parent process.
  ///
  /// Without a coordinator it waits and says so; a coordinator that goes away is waited for again,
  /// with the experts still in memory.
  /// - Throws: `WorkerError.refused` when this worker cannot be part of that cluster.
  public func run() throws {
    try options.security.check(options.join)
    if options.endsWithStandardInput { ParentWatch.start { [self] in stop() } }
    let bandwidth = options.measuresBandwidth ? MemoryBandwidth.measure() : 0
    let context = try TransportContext()
    let held = HeldExperts()
    let refusals = RefusalMemory()
    var attempt = 0
    while !isEnding {
      let security = try options.security.socketSecurity(attempt: attempt)
      attempt += 1
      let session = try WorkerSession(
        context, options, security, held: held, refusals: refusals, memoryBandwidth: bandwidth
      ) { [self] in
        wish.load(ordering: .relaxed)
      }
      switch try session.run() {
      case .exit: return
      case .rejoin(let pause): wait(pause)
      }
    }
  }

  private func wait(_ pause: Duration) {
    let end = MonotonicTime.now + pause
    while MonotonicTime.now < end, !isEnding {
      Thread.sleep(forTimeInterval: 0.02)
    }
  }
}

/// What a worker was refused for, so that it does not say the same every other second.
final class RefusalMemory {
  private static let interval: Duration = .seconds(30)
  private var last: (reason: Refusal.Reason, at: Duration)?

  /// Whether it was not said a moment ago.
  func isNews(_ reason: Refusal.Reason) -> Bool {
    let now = MonotonicTime.now
    if let last, last.reason == reason, now - last.at < Self.interval { return false }
    last = (reason, now)
    return true
  }
}

/// Watches the pipe that a parent process holds open on standard input.
enum ParentWatch {
  /// Calls `ended` once standard input ends.
  static func start(_ ended: @escaping @Sendable () -> Void) {
    let thread = Thread {
      while let data = try? FileHandle.standardInput.read(upToCount: 64), !data.isEmpty {}
      ended()
    }
    thread.start()
  }
}
