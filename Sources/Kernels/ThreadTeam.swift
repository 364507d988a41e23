internal import CKernels
internal import Glibc
internal import Synchronization

/// A chunk of a parallel job: context, chunk index.
typealias TeamJob = @convention(c) (UnsafeMutableRawPointer, Int) -> Void

/// Threads of our own that run the chunks of one job at a time, the caller among them.
///
/// Chunks are taken from an atomic counter. Helpers spin for some microseconds after a job, then
/// sleep. A helper that wakes late finds the job closed and is not waited for, so a busy core
/// costs its share of the work and no more.
public final class ThreadTeam: Sendable {
  /// Threads that work, the caller included.
  public let threadCount: Int

  private let shared: TeamState
  private let threads: [pthread_t]

  /// Starts `threads` − 1 helpers; they end with the team.
  public convenience init(threads: Int = ThreadTeam.recommendedThreadCount) {
    self.init(threads: threads, lastHasLeft: nil)
  }

  /// As above, for tests that let a helper lose its processor at the worst moment.
  ///
  /// - lastHasLeft: called by a helper that left a closed job as the last, before it looks whether
  ///   the caller sleeps.
  package init(threads: Int, lastHasLeft: (@Sendable () -> Void)?) {
    precondition(threads >= 1, "a team has at least one thread")
    let shared = TeamState(helpers: threads - 1, lastHasLeft: lastHasLeft)
    self.shared = shared
    self.threads = (0..<threads - 1).compactMap { TeamState.startHelper($0, of: shared) }
    threadCount = self.threads.count + 1
  }

  deinit {
    shared.stop()
    for thread in threads { pthread_join(thread, nil) }
  }

  /// Names the calling thread for the system, in at most 15 bytes, which `Thread.name` may not.
  public static func nameThisThread(_ name: String) {
    unsafe name.withCString { unsafe ck_name_thread($0) }
  }

  /// Runs chunks 0 ..< `chunks` and returns when all are done.
  ///
  /// A call while another thread's job is running does its own chunks alone.
  ///
  /// - wakes: whether the job takes longer than waking a helper (some 10 µs); a shorter one is
  ///   shared only with helpers that are still awake.
  @unsafe
  func run(chunks: Int, context: UnsafeMutableRawPointer, wakes: Bool, _ job: TeamJob) {
    guard chunks > 1, !threads.isEmpty, shared.tryLock() else {
      for chunk in 0..<chunks { unsafe job(context, chunk) }
      return
    }
    unsafe shared.run(chunks: chunks, context: context, wakes: wakes, job)
    shared.unlock()
  }
}
