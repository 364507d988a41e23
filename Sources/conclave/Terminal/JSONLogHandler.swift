import Foundation
import Logging

/// Log lines for machines on standard error: one JSON object each.
struct JSONLogHandler: LogHandler {
  var metadata: Logger.Metadata = [:]
  var logLevel: Logger.Level

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    let facts = metadata.merging(event.metadata ?? [:]) { $1 }.sorted { $0.key < $1.key }
    Terminal.error(
      Self.line(event.level, "\(event.message)", facts.map { ($0.key, Self.json($0.value)) })
        + "\n")
  }

  /// The object without a line end.
  static func line(
    _ level: Logger.Level, _ message: String, _ facts: [(String, JSONText)] = []
  ) -> String {
    let members: [(String, JSONText)] = [
      ("time", .string(Terminal.timestamp)), ("level", .string(level.rawValue)),
      ("message", .string(message)),
    ]
    return JSONText.object(members + facts).text
  }

  private static func json(_ value: Logger.MetadataValue) -> JSONText {
    switch value {
    case .string(let text): .string(text)
    case .stringConvertible(let value): .string("\(value)")
    case .array(let values): .array(values.map(json))
    case .dictionary(let values):
      .object(values.sorted { $0.key < $1.key }.map { ($0.key, json($0.value)) })
    }
  }
}
