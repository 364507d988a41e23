import Logging

/// Log lines for people on standard error: the message, then the facts in parentheses.
struct PlainLogHandler: LogHandler {
  var metadata: Logger.Metadata = [:]
  var logLevel: Logger.Level

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    let facts = metadata.merging(event.metadata ?? [:]) { $1 }
      .sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }.joined(separator: ", ")
    let level = event.level >= .warning ? "\(event.level): " : ""
    Terminal.note(
      Ending.oneLine("\(level)\(event.message)\(facts.isEmpty ? "" : " (\(facts))")"))
  }
}

extension Logger {
  /// A logger that says what happens from `level` on.
  static func command(_ level: Logger.Level = .warning) -> Logger {
    Logger(label: "conclave") { _ in
      if Terminal.lineForm == .structured { return JSONLogHandler(logLevel: level) }
      return PlainLogHandler(logLevel: level)
    }
  }
}
