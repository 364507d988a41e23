import Dispatch
import Foundation
import Synchronization

/// Ctrl-C and SIGTERM while something runs that can end cleanly.
///
/// The first signal only asks; whoever runs looks at `isInterrupted`. A second one ends the process
/// at once. Before and after, signals do what they always do.
final class Interrupts {
  private let state = State()
  private var sources: [any DispatchSourceSignal] = []

  /// Takes over the signals until `release`.
  init(_ signals: [Int32] = [SIGINT, SIGTERM]) {
    for number in signals {
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler { [state] in state.handle() }
      source.resume()
      sources.append(source)
    }
  }

  /// Whether somebody asked to stop.
  var isInterrupted: Bool { state.count.load(ordering: .relaxed) > 0 }

  /// Something to do at once when a signal comes, such as ending a wait for the keyboard.
  func onSignal(_ action: (@Sendable () -> Void)?) { state.action.withLock { $0 = action } }

  /// Forgets a signal that has been answered.
  func reset() { state.count.store(0, ordering: .relaxed) }

  /// Gives the signals back.
  func release() {
    for source in sources { source.cancel() }
    sources = []
    signal(SIGINT, SIG_DFL)
    signal(SIGTERM, SIG_DFL)
  }

  deinit { release() }

  private final class State: Sendable {
    let count = Atomic(0)
    let action = Mutex<(@Sendable () -> Void)?>(nil)

    func handle() {
      if count.add(1, ordering: .relaxed).newValue > 1 { _exit(130) }
      action.withLock { $0 }?()
    }
  }
}
