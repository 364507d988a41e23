import HTTPTypes
import Hummingbird
import NIOCore

/// How far a client has read a stream: events of each choice.
///
/// Its text is the id of an event: `chatcmpl-…:12`, or with several choices `chatcmpl-…:5.7`.
struct StreamPosition: Sendable, Equatable {
  var counts: [Int]

  /// At the start of a stream with that many choices.
  init(choices: Int) {
    counts = Array(repeating: 0, count: choices)
  }

  /// Reads `12` or `5.7`.
  init?(_ text: some StringProtocol) {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard (1...CompletionsBody.maximumAnswers).contains(parts.count) else { return nil }
    counts = []
    for part in parts {
      guard part.utf8.count <= 9, let count = Int(part), count >= 0 else { return nil }
      counts.append(count)
    }
  }

  /// Writes the id of the last event that has been read.
  func write(to buffer: inout ByteBuffer, of stream: String) {
    buffer.writeString(stream)
    for (choice, count) in counts.enumerated() {
      buffer.writeStaticString(choice == 0 ? ":" : ".")
      buffer.writeString(String(count))
    }
  }

  /// Takes an event id apart.
  static func parse(eventID: String) -> (stream: String, position: StreamPosition)? {
    guard eventID.utf8.count <= 400, let colon = eventID.lastIndex(of: ":"),
      let position = StreamPosition(eventID[eventID.index(after: colon)...])
    else { return nil }
    return (String(eventID[..<colon]), position)
  }
}
