import Inference
import ModelFiles

/// `text_completion` objects, whole and as chunks.
struct TextPresenter: AnswerPresenter {
  let ticket: AnswerTicket
  let names: TokenNames
  let showsLogProbabilities: Bool
  let includesUsage: Bool
  /// Put before the answers, one text per prompt; empty without echo.
  let echo: [String]
  /// Answers to each prompt.
  let choices: Int
  private var offsets: [Int: Int] = [:]
  /// The chunks of each choice.
  private var frames: [Int: EventFrame] = [:]

  init(
    ticket: AnswerTicket, names: TokenNames, showsLogProbabilities: Bool, includesUsage: Bool,
    echo: [String], choices: Int
  ) {
    self.ticket = ticket
    self.names = names
    self.showsLogProbabilities = showsLogProbabilities
    self.includesUsage = includesUsage
    self.echo = echo
    self.choices = choices
  }

  private func echo(_ choice: Int) -> String {
    let prompt = choice / max(choices, 1)
    return echo.indices.contains(prompt) ? echo[prompt] : ""
  }

  func whole(_ answers: [CollectedAnswer], _ usage: AnswerUsage) -> JSONValue {
    let choices = answers.enumerated().map { index, answer in
      var offset = echo(index).unicodeScalars.count
      return self.choice(
        index, echo(index) + answer.text, answer.logProbabilities, &offset,
        reason: answer.ending.finishReason.rawValue)
    }
    return ticket.answer("text_completion", choices, usage: usage)
  }

  mutating func open(_ choice: Int) -> [ServerEvent] {
    let text = echo(choice)
    offsets[choice] = text.unicodeScalars.count
    return text.isEmpty ? [] : [chunk(choice, text, [])]
  }

  mutating func show(
    _ pieces: [AnswerPiece], _ logProbabilities: [TokenLogProbabilities], of choice: Int
  ) -> [ServerEvent] {
    pieces.enumerated().compactMap { index, piece in
      guard case .text(let text) = piece else { return nil }
      if !showsLogProbabilities { return frame(of: choice).event(text) }
      return chunk(choice, text, index == 0 ? logProbabilities : [])
    }
  }

  private mutating func frame(of choice: Int) -> EventFrame {
    if let frame = frames[choice] { return frame }
    let frame = EventFrame { chunk(choice, $0, []) }
    frames[choice] = frame
    return frame
  }

  mutating func close(
    _ choice: Int, _ ending: AnswerEnding, _ logProbabilities: [TokenLogProbabilities]
  ) -> [ServerEvent] {
    [chunk(choice, "", logProbabilities, reason: ending.finishReason.rawValue)]
  }

  func end(_ usage: AnswerUsage) -> [ServerEvent] {
    includesUsage
      ? [ServerEvent(ticket.answer("text_completion", [], usage: usage)), .done] : [.done]
  }

  func fail(_ error: APIError) -> [ServerEvent] { [ServerEvent(error.json)] }

  private mutating func chunk(
    _ index: Int, _ text: String, _ logProbabilities: [TokenLogProbabilities],
    reason: String? = nil
  ) -> ServerEvent {
    var offset = offsets[index] ?? 0
    let choice = choice(index, text, logProbabilities, &offset, reason: reason)
    offsets[index] = offset
    return ServerEvent(ticket.answer("text_completion", [choice], usage: nil))
  }

  private func choice(
    _ index: Int, _ text: String, _ entries: [TokenLogProbabilities], _ offset: inout Int,
    reason: String?
  ) -> JSONValue {
    let shows = showsLogProbabilities && (!entries.isEmpty || reason != nil)
    return .object(
      JSONObject([
        ("index", .integer(index)), ("text", .string(text)),
        ("logprobs", shows ? names.legacy(entries, offset: &offset) : .null),
        ("finish_reason", reason.map { .string($0) } ?? .null),
      ]))
  }
}
