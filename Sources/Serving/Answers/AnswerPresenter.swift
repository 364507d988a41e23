import Inference
import ModelFiles

/// How answers look as JSON: whole, or as the events of a stream.
///
/// A presenter is a state machine without clock and chance: the events are a function of what it
/// is told, so that a stream can be written again from the start.
protocol AnswerPresenter: Sendable {
  /// The body of an answer in one piece.
  func whole(_ answers: [CollectedAnswer], _ usage: AnswerUsage) -> JSONValue

  /// Before the first part of a choice.
  mutating func open(_ choice: Int) -> [ServerEvent]
  /// The next parts of a choice, and how probable their tokens were.
  mutating func show(
    _ pieces: [AnswerPiece], _ logProbabilities: [TokenLogProbabilities], of choice: Int
  ) -> [ServerEvent]
  /// A choice is over.
  mutating func close(
    _ choice: Int, _ ending: AnswerEnding, _ logProbabilities: [TokenLogProbabilities]
  ) -> [ServerEvent]
  /// All choices are over.
  mutating func end(_ usage: AnswerUsage) -> [ServerEvent]
  /// The answer cannot be completed.
  mutating func fail(_ error: APIError) -> [ServerEvent]
}

/// One server-sent event without its id.
struct ServerEvent: Sendable, Equatable {
  /// The type, in streams whose events have one.
  var name: String?
  let data: [UInt8]

  init(name: String? = nil, _ value: JSONValue) {
    self.name = name
    var text = JSONText()
    text.write(value)
    data = text.bytes
  }

  /// The end of a stream, which is not JSON.
  static let done = ServerEvent(bytes: Array("[DONE]".utf8))

  fileprivate init(bytes: [UInt8]) { data = bytes }
}

/// Events of which only one string differs; all around it is written once.
struct EventFrame: Sendable {
  private let before: [UInt8]
  private let after: [UInt8]

  /// Takes the frame off what `make` makes of two strings.
  init(_ make: (String) -> ServerEvent) {
    let (first, second) = (make("0").data, make("1").data)
    let place = zip(first, second).prefix { $0 == $1 }.count
    before = Array(first.prefix(place))
    after = Array(first.dropFirst(place + 1))
  }

  /// The event with a string, as `make` would make it.
  func event(_ text: String) -> ServerEvent {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(before.count + text.utf8.count + after.count)
    bytes += before
    JSONText.escape(text, into: &bytes)
    bytes += after
    return ServerEvent(bytes: bytes)
  }
}

/// One answer that has been read to its end.
struct CollectedAnswer: Sendable {
  /// A call of a tool.
  struct Call: Sendable, Equatable {
    let name: String
    var arguments = ""
  }

  private(set) var reasoning = ""
  private(set) var text = ""
  private(set) var calls: [Call] = []
  var logProbabilities: [TokenLogProbabilities] = []
  let ending: AnswerEnding

  init(_ pieces: [AnswerPiece], _ ending: AnswerEnding) {
    self.ending = ending
    for piece in pieces {
      switch piece {
      case .reasoning(let more): reasoning += more
      case .text(let more): text += more
      case .call(_, let name): calls.append(Call(name: name))
      case .arguments(_, let more):
        if let last = calls.indices.last { calls[last].arguments += more }
      }
    }
  }
}

extension AnswerTicket {
  /// The name of a call of a tool; the same whenever the answer is written.
  func callID(choice: Int, index: Int) -> String {
    let own = id.split { $0 == "-" || $0 == "_" }.last ?? ""
    return "call_\(own)_\(choice)_\(index)"
  }
}

extension AnswerUsage {
  /// `usage` as the completions APIs have it.
  var json: JSONValue {
    [
      "prompt_tokens": .integer(promptTokens), "completion_tokens": .integer(outputTokens),
      "total_tokens": .integer(promptTokens + outputTokens),
      "prompt_tokens_details": ["cached_tokens": .integer(cachedTokens)],
      "completion_tokens_details": ["reasoning_tokens": .integer(reasoningTokens)],
    ]
  }
}
