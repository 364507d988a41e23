import Messages
import Synchronization
import Telemetry

/// What the compute thread tells the control thread; shared by the two.
final class WorkerStatus: Sendable {
  private struct State {
    var state = Progress.State.waiting
    var counter: UInt64 = 0
    var busySince: UInt64?
    var loadedGroups = 0
    var assignedGroups = 0
    var residentBytes = 0
    var failure: Refusal?
    var isReady = false
  }

  private let state = Mutex(State())

  /// The compute thread takes up a unit of work.
  func begin() { state.withLock { $0.busySince = MonotonicTime.nanoseconds } }

  /// The compute thread finished a unit of work.
  func end() {
    state.withLock {
      $0.busySince = nil
      $0.counter &+= 1
    }
  }

  /// Loading starts.
  func assigned(groups: Int) {
    state.withLock {
      $0.state = .loading
      $0.assignedGroups = groups
    }
  }

  /// So many groups are loaded.
  func loaded(groups: Int, residentBytes: Int) {
    state.withLock {
      $0.loadedGroups = groups
      $0.residentBytes = residentBytes
    }
  }

  /// Dispatches are answered from now on.
  func serving() {
    state.withLock {
      $0.state = .serving
      $0.isReady = true
    }
  }

  /// The compute thread gives up.
  func failed(_ refusal: Refusal) { state.withLock { $0.failure = refusal } }

  /// Why the compute thread gave up, if it did.
  var failure: Refusal? { state.withLock { $0.failure } }

  /// What to report once loading is done.
  var ready: Ready? {
    state.withLock {
      $0.isReady ? Ready(residentBytes: $0.residentBytes, loadedGroups: $0.loadedGroups) : nil
    }
  }

  /// The report of the moment.
  var progress: Progress {
    state.withLock {
      Progress(
        state: $0.state, counter: $0.counter,
        busyNanoseconds: $0.busySince.map { MonotonicTime.nanoseconds &- $0 } ?? 0,
        loadedGroups: $0.loadedGroups, assignedGroups: $0.assignedGroups,
        residentBytes: $0.residentBytes)
    }
  }
}
