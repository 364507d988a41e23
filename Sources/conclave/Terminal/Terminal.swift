import Foundation
import Logging
import Synchronization

/// What is known about the terminal, and plain lines on standard error.
enum Terminal {
  /// Whether people watch standard error, so that a moving line makes sense.
  static let showsProgress = isatty(STDERR_FILENO) == 1 && !isDumb
  /// Whether people watch standard output.
  static let showsResults = isatty(STDOUT_FILENO) == 1
  /// Whether a person types.
  static let hasKeyboard = isatty(STDIN_FILENO) == 1

  private static let environment = ProcessInfo.processInfo.environment
  private static let isDumb = environment["TERM"] ?? "dumb" == "dumb"
  /// NO_COLOR (no-color.org): any value turns colours off.
  static let allowsColour = !isDumb && (environment["NO_COLOR"] ?? "").isEmpty

  /// Columns of the terminal that shows results; nil where there is none.
  static var width: Int? {
    var size = winsize()
    let isKnown = unsafe ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
    return isKnown ? max(Int(size.ws_col), 20) : nil
  }

  /// How lines on standard error look.
  enum LineForm: Int {
    /// The line alone: what a command says to the person who called it.
    case plain
    /// The time, then the line: what a daemon says.
    case stamped
    /// A JSON object, because a machine reads it.
    case structured
  }

  /// How lines on standard error look from now on.
  static var lineForm: LineForm {
    get { LineForm(rawValue: form.load(ordering: .relaxed)) ?? .plain }
    set { form.store(newValue.rawValue, ordering: .relaxed) }
  }
  private static let form = Atomic(LineForm.plain.rawValue)

  /// Whether standard error leads to systemd's journal, which notes the time of every line.
  ///
  /// - Source: systemd.exec(5), `JOURNAL_STREAM`.
  static var isJournal: Bool {
    guard let stream = environment["JOURNAL_STREAM"] else { return false }
    var status = stat()
    guard unsafe fstat(STDERR_FILENO, &status) == 0 else { return false }
    return stream == "\(status.st_dev):\(status.st_ino)"
  }

  /// UTC with milliseconds, as in 2026-01-31T12:00:00.000Z.
  static var timestamp: String {
    Date.now.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
  }

  /// Writes a line to standard error.
  static func note(_ line: String) {
    let text =
      switch lineForm {
      case .plain: line
      case .stamped: "\(timestamp) \(line)"
      case .structured: JSONLogHandler.line(.notice, line)
      }
    error(text + "\n")
  }

  /// Writes text to standard error; if that fails there is nobody left to tell.
  static func error(_ text: String) {
    try? FileHandle.standardError.write(contentsOf: Data(text.utf8))
  }
}

/// How text stands out; on a stream that shows no colours nothing is added.
struct Style {
  let isOn: Bool

  /// For results.
  static let results = Style(isOn: Terminal.showsResults && Terminal.allowsColour)
  /// For progress and summaries on standard error.
  static let notes = Style(isOn: Terminal.showsProgress && Terminal.allowsColour)

  func bold(_ text: String) -> String { wrap(text, "1") }
  func dim(_ text: String) -> String { wrap(text, "2") }
  func accent(_ text: String) -> String { wrap(text, "36") }
  func good(_ text: String) -> String { wrap(text, "32") }

  private func wrap(_ text: String, _ code: String) -> String {
    isOn && !text.isEmpty ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text
  }
}
