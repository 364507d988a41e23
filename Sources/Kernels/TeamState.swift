internal import CKernels
internal import Glibc
internal import Synchronization

/// What a team's caller and helpers share.
///
/// `control` holds, in one word, the job's number (upper 32 bits), whether it is open (bit 16) and
/// how many helpers are inside (lower 16 bits). Helpers enter by compare-and-swap while it is
/// open; the caller closes it when no chunk is left and waits for those inside. `job`, `context`
/// and `chunkCount` are written only when the job is closed and nobody is inside.
@safe
final class TeamState: @unchecked Sendable {  // guarded by `control`, as above
  private let control = Atomic<UInt64>(0)
  private let nextChunk = Atomic<Int>(0)
  private let locked = Atomic<Bool>(false)
  private let stopping = Atomic<Bool>(false)
  private let callerSleeps = Atomic<Bool>(false)
  private let count: Int
  private let helpers: UnsafeMutablePointer<TeamMember>  // (count)
  private let callerWakeup: UnsafeMutablePointer<sem_t>
  private let lastHasLeft: (@Sendable () -> Void)?

  private var job: TeamJob?
  private var context: UnsafeMutableRawPointer?
  private var chunkCount = 0

  private static let open: UInt64 = 1 << 16
  private static let insideMask: UInt64 = open - 1
  private static let number: UInt64 = 1 << 32

  init(helpers count: Int, lastHasLeft: (@Sendable () -> Void)?) {
    self.count = count
    self.lastHasLeft = lastHasLeft
    unsafe helpers = .allocate(capacity: max(count, 1))
    for index in 0..<count { unsafe (helpers + index).initialize(to: TeamMember()) }
    unsafe callerWakeup = .allocate(capacity: 1)
    unsafe sem_init(callerWakeup, 0, 0)
  }

  deinit {
    unsafe sem_destroy(callerWakeup)
    unsafe callerWakeup.deallocate()
    unsafe helpers.deinitialize(count: count)
    unsafe helpers.deallocate()
  }

  // MARK: the caller

  func tryLock() -> Bool { !locked.exchange(true, ordering: .acquiring) }

  func unlock() { locked.store(false, ordering: .releasing) }

  func run(chunks: Int, context: UnsafeMutableRawPointer, wakes: Bool, _ job: TeamJob) {
    unsafe self.job = job
    unsafe self.context = context
    chunkCount = chunks
    nextChunk.store(0, ordering: .relaxed)
    let opened = (control.load(ordering: .relaxed) / Self.number &+ 1) << 32 | Self.open
    control.store(opened, ordering: .sequentiallyConsistent)
    if wakes { for index in 0..<min(count, chunks - 1) { unsafe helpers[index].wake() } }
    unsafe takeChunks(context, job)
    let closed = control.bitwiseAnd(~Self.open, ordering: .sequentiallyConsistent).newValue
    if closed & Self.insideMask != 0, !isAlone(within: SpinLimit.iterations) { waitForHelpers() }
  }

  private func takeChunks(_ context: UnsafeMutableRawPointer, _ job: TeamJob) {
    while true {
      let chunk = nextChunk.wrappingAdd(1, ordering: .relaxed).oldValue
      if chunk >= chunkCount { return }
      unsafe job(context, chunk)
    }
  }

  /// Whether all helpers leave a closed job while the caller spins.
  private func isAlone(within iterations: Int) -> Bool {
    for _ in 0..<iterations {
      ck_pause()
      if control.load(ordering: .acquiring) & Self.insideMask == 0 { return true }
    }
    return false
  }

  /// Sleeps until all helpers have left.
  ///
  /// One that is not done because another process has taken its processor would come back after
  /// milliseconds: it is called to the caller's processor, which is free meanwhile, and sent back
  /// afterwards.
  private func waitForHelpers() {
    while true {
      for index in 0..<count { unsafe helpers[index].watch() }
      if isAlone(within: SpinLimit.iterations / 2) { break }
      let here = ck_processor()
      for index in 0..<count { unsafe helpers[index].callIfStopped(to: here) }
      sleep(atMost: 500_000)
    }
    for index in 0..<count { unsafe helpers[index].dismiss() }
  }

  /// Sleeps for some nanoseconds, or until a helper that left as the last wakes the caller.
  ///
  /// Being woken proves nothing: a helper that was the last to leave the job before, and lost its
  /// processor before it looked at the flag, finds it raised for this job, with others inside.
  private func sleep(atMost nanoseconds: Int64) {
    callerSleeps.store(true, ordering: .sequentiallyConsistent)
    let isAlone = control.load(ordering: .sequentiallyConsistent) & Self.insideMask == 0
    if !isAlone, unsafe ck_wait_at_most(callerWakeup, nanoseconds) { return }
    if callerSleeps.exchange(false, ordering: .sequentiallyConsistent) { return }
    // A helper has seen the flag; its post must be consumed.
    while unsafe sem_wait(callerWakeup) != 0 {}
  }

  // MARK: helpers

  /// Starts helper `index`, or returns nil when the system has no more threads.
  static func startHelper(_ index: Int, of state: TeamState) -> pthread_t? {
    let start = unsafe Unmanaged.passRetained(HelperStart(state: state, index: index))
    var thread = pthread_t()
    let failure = unsafe pthread_create(
      &thread, nil,
      { argument in
        guard let argument = unsafe argument else { return nil }
        let start = unsafe Unmanaged<HelperStart>.fromOpaque(argument).takeRetainedValue()
        unsafe ck_name_thread("team")
        unsafe start.state.help(start.state.helpers + start.index)
        return nil
      }, start.toOpaque())
    guard failure == 0 else {
      unsafe start.release()
      return nil
    }
    return thread
  }

  private func help(_ helper: UnsafeMutablePointer<TeamMember>) {
    unsafe helper.pointee.begin()
    var lastJob: UInt64 = 0
    while !stopping.load(ordering: .acquiring) {
      let seen = control.load(ordering: .acquiring)
      if seen & Self.open != 0, seen / Self.number != lastJob {
        guard unsafe enter(seen, helper) else { continue }
        lastJob = seen / Self.number
        if let job = unsafe job, let context = unsafe context { unsafe takeChunks(context, job) }
        unsafe leave(helper)
      } else {
        unsafe waitForJob(after: lastJob, helper)
      }
    }
  }

  private func enter(_ seen: UInt64, _ helper: UnsafeMutablePointer<TeamMember>) -> Bool {
    unsafe helper.pointee.enter()
    let entered = control.compareExchange(
      expected: seen, desired: seen + 1, ordering: .acquiringAndReleasing
    ).exchanged
    if !entered { unsafe helper.pointee.leave() }
    return entered
  }

  private func leave(_ helper: UnsafeMutablePointer<TeamMember>) {
    unsafe helper.pointee.leave()
    let left = control.wrappingSubtract(1, ordering: .sequentiallyConsistent).newValue
    guard left & (Self.insideMask | Self.open) == 0 else { return }
    lastHasLeft?()
    guard callerSleeps.load(ordering: .sequentiallyConsistent) else { return }
    if callerSleeps.exchange(false, ordering: .sequentiallyConsistent) {
      unsafe sem_post(callerWakeup)
    }
  }

  private func hasJob(after lastJob: UInt64) -> Bool {
    let seen = control.load(ordering: .sequentiallyConsistent)
    return seen & Self.open != 0 && seen / Self.number != lastJob
      || stopping.load(ordering: .sequentiallyConsistent)
  }

  private func waitForJob(after lastJob: UInt64, _ helper: UnsafeMutablePointer<TeamMember>) {
    // One that was called to the caller's processor is in the way there.
    if unsafe !helper.pointee.isCalled {
      for _ in 0..<SpinLimit.iterations {
        if hasJob(after: lastJob) { return }
        ck_pause()
      }
    }
    unsafe helper.pointee.sleep(unless: { hasJob(after: lastJob) })
  }

  func stop() {
    stopping.store(true, ordering: .sequentiallyConsistent)
    for index in 0..<count { unsafe helpers[index].wake() }
  }
}

/// What a new thread needs to know.
private final class HelperStart {
  let state: TeamState
  let index: Int

  init(state: TeamState, index: Int) {
    self.state = state
    self.index = index
  }
}

/// How long to spin before sleeping.
enum SpinLimit {
  /// Pauses that take about 20 µs here, measured once.
  static let iterations: Int = {
    let clock = ContinuousClock()
    let sample = 2000
    let elapsed = clock.measure { for _ in 0..<sample { ck_pause() } }
    let nanoseconds = max(1, elapsed.components.attoseconds / 1_000_000_000)
    return min(max(Int(Int64(sample) * 20_000 / nanoseconds), 100), 20_000)
  }()
}
