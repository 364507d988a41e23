internal import CKernels
internal import Glibc
internal import Synchronization

/// One helper of a team: how it sleeps, and where it runs.
@safe
struct TeamMember: ~Copyable, @unchecked Sendable {  // atomics; `allowed` is guarded by `isCalled`
  private let isSleeping = Atomic<Bool>(false)
  private let isInside = Atomic<Bool>(false)
  private let thread = Atomic<Int32>(0)
  private let home = Atomic<Int32>(-1)  // the processor where it entered its last job
  private let runTime = Atomic<Int64>(-1)  // as `watch` saw it
  private let called = Atomic<Bool>(false)
  private let allowed: UnsafeMutablePointer<ck_processors>  // where it may run unless it is called
  private let wakeup: UnsafeMutablePointer<sem_t>

  /// Keeps the atomics of two helpers out of one cache line.
  private let padding = InlineArray<16, UInt64>(repeating: 0)

  init() {
    unsafe wakeup = .allocate(capacity: 1)
    unsafe sem_init(wakeup, 0, 0)
    unsafe allowed = .allocate(capacity: 1)
    unsafe allowed.initialize(to: ck_processors())
  }

  deinit {
    unsafe sem_destroy(wakeup)
    unsafe wakeup.deallocate()
    unsafe allowed.deallocate()
  }
}

// MARK: - For the helper

extension TeamMember {
  /// Says which thread it is.
  func begin() { thread.store(ck_thread(), ordering: .releasing) }

  /// It is about to take chunks; after a call it may run again wherever it was allowed to.
  func enter() {
    if isCalled {
      _ = unsafe ck_allow_thread(0, allowed)
      called.store(false, ordering: .releasing)
    }
    home.store(ck_processor(), ordering: .relaxed)
    isInside.store(true, ordering: .releasing)
  }

  /// It takes no more chunks.
  func leave() { isInside.store(false, ordering: .releasing) }

  /// Whether it was called to the caller's processor since it last entered.
  var isCalled: Bool { called.load(ordering: .acquiring) }

  /// Sleeps until it is woken, unless there is a job already.
  func sleep(unless hasJob: () -> Bool) {
    isSleeping.store(true, ordering: .sequentiallyConsistent)
    if hasJob() {
      // Whoever opened the job may have seen the flag already; then its post must be consumed.
      if isSleeping.exchange(false, ordering: .sequentiallyConsistent) { return }
    }
    while unsafe sem_wait(wakeup) != 0 {}
  }
}

// MARK: - For the team's caller

extension TeamMember {
  /// Wakes it if it sleeps.
  func wake() {
    guard isSleeping.load(ordering: .sequentiallyConsistent) else { return }
    if isSleeping.exchange(false, ordering: .sequentiallyConsistent) {
      unsafe sem_post(wakeup)
    }
  }

  /// Notes how long it has run, if it has chunks to finish.
  func watch() {
    let isBusy = isInside.load(ordering: .acquiring)
    let time = isBusy ? ck_thread_time(thread.load(ordering: .acquiring)) : -1
    runTime.store(time, ordering: .relaxed)
  }

  /// Calls it to the processor `here` if it has chunks to finish and has not run since `watch`.
  func callIfStopped(to here: Int32) {
    let thread = thread.load(ordering: .acquiring)
    guard isInside.load(ordering: .acquiring), !isCalled, home.load(ordering: .relaxed) != here,
      case let time = runTime.load(ordering: .relaxed), time >= 0, ck_thread_time(thread) == time,
      unsafe ck_allowed_of_thread(thread, allowed)
    else { return }
    called.store(true, ordering: .releasing)
    if !ck_move_thread(thread, here) { called.store(false, ordering: .releasing) }
  }

  /// Sends it back to where it was when it was called; it waits there for its next job.
  func dismiss() {
    guard isCalled else { return }
    let thread = thread.load(ordering: .acquiring)
    if !ck_move_thread(thread, home.load(ordering: .relaxed)) {
      _ = unsafe ck_allow_thread(thread, allowed)
    }
  }
}
