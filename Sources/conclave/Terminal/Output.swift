import Glibc

/// Standard output: results only.
enum Output {
  /// Writes the text at once, so that streamed answers appear as they come.
  static func write(_ text: String) throws {
    var rest = Array(text.utf8)
    while !rest.isEmpty {
      let count = unsafe Glibc.write(STDOUT_FILENO, rest, rest.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else {
        let reason = unsafe String(cString: strerror(errno))
        throw CommandFailure("cannot write to standard output, check where it goes: \(reason)")
      }
      rest.removeFirst(count)
    }
  }

  static func line(_ text: String = "") throws { try write(text + "\n") }

  /// Writes one JSON object and a line end.
  static func json(_ members: KeyValuePairs<String, JSONText>) throws {
    try line(JSONText.object(Array(members.map { ($0.key, $0.value) })).text)
  }
}
