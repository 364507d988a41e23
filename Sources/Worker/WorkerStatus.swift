import Messages
import Synchronization
import Telemetry

/// What the compute thread tells the control thread; shared by the two.
final class WorkerStatus: Sendable {
  private struct State {
    var state = Progress.State.waiting
    var counter: UInt64 = 0
    var busySince: UInt64?
    var busySize: Int?  // entries of the dispatch; nil while a group is loaded
    var pace = WorkPace()
    var loadedGroups = 0
    var assignedGroups = 0
    var residentBytes = 0
    var failure: Refusal?
    var readyEpoch = Epoch(rawValue: 0)  // of the assignment that is loaded
    var isDraining = false
    var joinsAgain = false
    var isInUse = false
  }

  private let state = Mutex(State())

  /// The compute thread takes up a unit of work: a dispatch of `size` entries, or a part of a group
  /// to load.
  func begin(size: Int? = nil) {
    state.withLock {
      $0.busySince = MonotonicTime.nanoseconds
      $0.busySize = size
    }
  }

  /// The compute thread finished a unit of work.
  func end() {
    state.withLock {
      if let since = $0.busySince, let size = $0.busySize {
        let time = MonotonicTime.nanoseconds &- since
        $0.pace.record(.nanoseconds(Int64(clamping: time)), size: size)
      }
      $0.busySince = nil
      $0.counter &+= 1
    }
  }

  /// The coordinator has sent something over the data connection, so it serves.
  func used() { state.withLock { $0.isInUse = true } }

  /// Whether it ever has.
  var isInUse: Bool { state.withLock { $0.isInUse } }

  /// The whole process has stood still for `time`, which does not count as work.
  func excuse(_ time: Duration) {
    let nanoseconds = UInt64(max(0, time / .nanoseconds(1)))
    state.withLock {
      guard let since = $0.busySince else { return }
      $0.busySince = min(MonotonicTime.nanoseconds, since &+ nanoseconds)
    }
  }

  /// How long the compute thread has been at one unit of work, when that is too long: more than
  /// `most`, or many times what such a dispatch takes.
  func stuckTime(most: Duration) -> Duration? {
    state.withLock { state in
      guard let since = state.busySince else { return nil }
      let time = Duration.nanoseconds(Int64(clamping: MonotonicTime.nanoseconds &- since))
      let limit = state.busySize.map { state.pace.limit(size: $0, most: most) } ?? most
      return time > limit ? time : nil
    }
  }

  /// Loading starts, also of more than before.
  func assigned(groups: Int) {
    state.withLock {
      $0.state = .loading
      $0.assignedGroups = groups
    }
  }

  /// The worker wants to go.
  func draining() { state.withLock { $0.isDraining = true } }

  /// So many groups are loaded.
  func loaded(groups: Int, residentBytes: Int) {
    state.withLock {
      $0.loadedGroups = groups
      $0.residentBytes = residentBytes
    }
  }

  /// What was assigned in `epoch` is loaded, and dispatches are answered.
  func serving(_ epoch: Epoch) {
    state.withLock {
      $0.state = .serving
      $0.readyEpoch = epoch
    }
  }

  /// The compute thread gives up; `joinsAgain` if a new connection cures it.
  func failed(_ refusal: Refusal, joinsAgain: Bool = false) {
    state.withLock {
      $0.failure = refusal
      $0.joinsAgain = joinsAgain
    }
  }

  /// Whether a new connection cures the failure.
  var joinsAgain: Bool { state.withLock { $0.joinsAgain } }

  /// Why the compute thread gave up, if it did.
  var failure: Refusal? { state.withLock { $0.failure } }

  /// What to report once what was assigned in `epoch` is loaded.
  func ready(for epoch: Epoch) -> Ready? {
    state.withLock {
      guard epoch.rawValue > 0, $0.readyEpoch == epoch else { return nil }
      return Ready(residentBytes: $0.residentBytes, loadedGroups: $0.loadedGroups)
    }
  }

  /// The report of the moment.
  var progress: Progress {
    state.withLock {
      Progress(
        state: $0.isDraining ? .draining : $0.state, counter: $0.counter,
        busyNanoseconds: $0.busySince.map { MonotonicTime.nanoseconds &- $0 } ?? 0,
        loadedGroups: $0.loadedGroups, assignedGroups: $0.assignedGroups,
        residentBytes: $0.residentBytes)
    }
  }
}
