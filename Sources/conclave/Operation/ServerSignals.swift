import Dispatch
import Foundation
import Synchronization

/// What a server does when it is told to end, or to read its files again.
final class ServerSignals {
  private let interrupts = Interrupts([SIGINT, SIGTERM])
  private let hangUp: any DispatchSourceSignal

  /// Takes the signals over.
  ///
  /// - Parameters:
  ///   - onEnd: SIGINT or SIGTERM; a second one ends the process at once.
  ///   - onReload: SIGHUP.
  init(onEnd: @escaping @Sendable () -> Void, onReload: @escaping @Sendable () -> Void) {
    signal(SIGHUP, SIG_IGN)
    hangUp = DispatchSource.makeSignalSource(signal: SIGHUP, queue: .global())
    hangUp.setEventHandler { onReload() }
    hangUp.resume()
    interrupts.onSignal(onEnd)
  }

  /// Whether the server shall end.
  var isEnding: Bool { interrupts.isInterrupted }

  deinit { hangUp.cancel() }
}
