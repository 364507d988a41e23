import Foundation

/// Standard output: results only.
enum Output {
  /// Writes the text at once, so that streamed answers appear as they come.
  static func write(_ text: String) throws {
    do {
      try FileHandle.standardOutput.write(contentsOf: Data(text.utf8))
    } catch {
      throw CommandFailure(
        "cannot write to standard output, check where it goes: \(error.localizedDescription)")
    }
  }

  static func line(_ text: String = "") throws { try write(text + "\n") }

  /// Writes one JSON object and a line end.
  static func json(_ members: KeyValuePairs<String, JSONText>) throws {
    try line(JSONText.object(Array(members.map { ($0.key, $0.value) })).text)
  }
}
