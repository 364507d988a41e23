import ArgumentParser
import Logging

/// What the process says on standard error, and how.
struct LogArguments: ParsableArguments {
  @Option(
    name: .customLong("log-format"),
    help: ArgumentHelp("Lines for people, or JSON objects for machines.", valueName: "format"))
  var format = Format.text

  @Option(
    name: .customLong("log-level"),
    help: ArgumentHelp(
      "Say what is at least this important. Prompts and answers are never logged.",
      valueName: "level"))
  var level = Level.info

  enum Format: String, ExpressibleByArgument, CaseIterable {
    case text
    case json
  }

  enum Level: String, ExpressibleByArgument, CaseIterable {
    case debug
    case info
    case notice
    case warning
    case error
  }

  /// Sets the form of all lines, and returns a logger of that level.
  ///
  /// Lines for people say when it was, unless they lead to a journal that knows.
  func makeLogger() -> Logger {
    Terminal.lineForm =
      format == .json ? .structured : Terminal.isJournal ? .plain : .stamped
    return .command(Logger.Level(rawValue: level.rawValue) ?? .info)
  }
}
