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
  private let helpers: Int
  private let sleeping: UnsafeMutablePointer<Atomic<Bool>>  // one per helper
  private let wakeups: UnsafeMutablePointer<sem_t>  // one per helper, then the caller's

  private var job: TeamJob?
  private var context: UnsafeMutableRawPointer?
  private var chunkCount = 0

  private static let open: UInt64 = 1 << 16
  private static let insideMask: UInt64 = open - 1
  private static let number: UInt64 = 1 << 32

  init(helpers: Int) {
    self.helpers = helpers
    unsafe sleeping = .allocate(capacity: max(helpers, 1))
    unsafe wakeups = .allocate(capacity: helpers + 1)
    for index in 0..<helpers { unsafe (sleeping + index).initialize(to: Atomic(false)) }
    for index in 0...helpers { unsafe sem_init(wakeups + index, 0, 0) }
  }

  deinit {
    for index in 0...helpers { unsafe sem_destroy(wakeups + index) }
    unsafe sleeping.deinitialize(count: helpers)
    unsafe sleeping.deallocate()
    unsafe wakeups.deallocate()
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
    if wakes { for helper in 0..<min(helpers, chunks - 1) { wake(helper) } }
    unsafe takeChunks(context, job)
    waitForHelpers()
  }

  private func wake(_ helper: Int) {
    guard unsafe sleeping[helper].load(ordering: .sequentiallyConsistent) else { return }
    if unsafe sleeping[helper].exchange(false, ordering: .sequentiallyConsistent) {
      unsafe sem_post(wakeups + helper)
    }
  }

  private func waitForHelpers() {
    let closed = control.bitwiseAnd(~Self.open, ordering: .sequentiallyConsistent).newValue
    if closed & Self.insideMask == 0 { return }
    for _ in 0..<SpinLimit.iterations {
      ck_pause()
      if control.load(ordering: .acquiring) & Self.insideMask == 0 { return }
    }
    callerSleeps.store(true, ordering: .sequentiallyConsistent)
    if control.load(ordering: .sequentiallyConsistent) & Self.insideMask == 0 {
      // The last helper may have seen the flag already; then its post must be consumed.
      if callerSleeps.exchange(false, ordering: .sequentiallyConsistent) { return }
    }
    while unsafe sem_wait(wakeups + helpers) != 0 {}
  }

  private func takeChunks(_ context: UnsafeMutableRawPointer, _ job: TeamJob) {
    while true {
      let chunk = nextChunk.wrappingAdd(1, ordering: .relaxed).oldValue
      if chunk >= chunkCount { return }
      unsafe job(context, chunk)
    }
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
        start.state.help(start.index)
        return nil
      }, start.toOpaque())
    guard failure == 0 else {
      unsafe start.release()
      return nil
    }
    return thread
  }

  private func help(_ index: Int) {
    var lastJob: UInt64 = 0
    while !stopping.load(ordering: .acquiring) {
      let seen = control.load(ordering: .acquiring)
      if seen & Self.open != 0, seen / Self.number != lastJob {
        guard enter(seen) else { continue }
        lastJob = seen / Self.number
        if let job = unsafe job, let context = unsafe context { unsafe takeChunks(context, job) }
        leave()
      } else {
        waitForJob(after: lastJob, index)
      }
    }
  }

  private func enter(_ seen: UInt64) -> Bool {
    control.compareExchange(
      expected: seen, desired: seen + 1, ordering: .acquiringAndReleasing
    ).exchanged
  }

  private func leave() {
    let left = control.wrappingSubtract(1, ordering: .sequentiallyConsistent).newValue
    guard left & (Self.insideMask | Self.open) == 0,
      callerSleeps.load(ordering: .sequentiallyConsistent)
    else { return }
    if callerSleeps.exchange(false, ordering: .sequentiallyConsistent) {
      unsafe sem_post(wakeups + helpers)
    }
  }

  private func hasJob(after lastJob: UInt64) -> Bool {
    let seen = control.load(ordering: .sequentiallyConsistent)
    return seen & Self.open != 0 && seen / Self.number != lastJob
      || stopping.load(ordering: .sequentiallyConsistent)
  }

  private func waitForJob(after lastJob: UInt64, _ index: Int) {
    for _ in 0..<SpinLimit.iterations {
      if hasJob(after: lastJob) { return }
      ck_pause()
    }
    unsafe sleeping[index].store(true, ordering: .sequentiallyConsistent)
    if hasJob(after: lastJob) {
      // Whoever opened the job may have seen the flag already; then its post must be consumed.
      if unsafe sleeping[index].exchange(false, ordering: .sequentiallyConsistent) { return }
    }
    while unsafe sem_wait(wakeups + index) != 0 {}
  }

  func stop() {
    stopping.store(true, ordering: .sequentiallyConsistent)
    for helper in 0..<helpers { wake(helper) }
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
