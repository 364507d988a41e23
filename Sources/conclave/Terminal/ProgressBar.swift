import Synchronization

/// A line on the terminal that shows how far something is; silent when nobody watches.
final class ProgressBar: Sendable {
  private let title: String
  private let start = ContinuousClock.now
  private let shown: Mutex<(percent: Int, time: ContinuousClock.Instant)?> = Mutex(nil)
  private static let barWidth = 30
  /// What is done sooner needs no bar.
  private static let patience: Duration = .milliseconds(300)

  init(_ title: String) { self.title = title }

  /// Shows a fraction, 0…1; may be called from any thread and as often as one likes.
  func update(_ fraction: Double) {
    guard Terminal.showsProgress, ContinuousClock.now - start > Self.patience else { return }
    let percent = Int((min(max(fraction, 0), 1) * 100).rounded(.down))
    let isNew = shown.withLock { shown in
      let now = ContinuousClock.now
      if let last = shown, last.percent == percent || now - last.time < .milliseconds(50) {
        return false
      }
      shown = (percent, now)
      return true
    }
    guard isNew else { return }
    let full = percent * Self.barWidth / 100
    let bar =
      Style.notes.accent(String(repeating: "━", count: full))
      + Style.notes.dim(String(repeating: "━", count: Self.barWidth - full))
    Terminal.error("\r\(title) \(bar) \(percent) %\u{1B}[K")
  }

  /// Removes the line.
  func finish() {
    guard Terminal.showsProgress, shown.withLock({ $0 != nil }) else { return }
    Terminal.error("\r\u{1B}[K")
  }
}
