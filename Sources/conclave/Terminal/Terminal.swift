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

  /// Whether every line on standard error is a JSON object, because a machine reads them.
  static var isStructured: Bool { structured.load(ordering: .relaxed) }
  private static let structured = Atomic(false)

  /// Makes every line on standard error a JSON object from now on.
  static func structureLines() { structured.store(true, ordering: .relaxed) }

  /// Writes a line to standard error.
  static func note(_ line: String) {
    error((isStructured ? JSONLogHandler.line(.notice, line) : line) + "\n")
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
