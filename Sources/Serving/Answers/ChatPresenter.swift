import Inference
import ModelFiles

/// `chat.completion` objects and their chunks.
struct ChatPresenter: AnswerPresenter {
  let ticket: AnswerTicket
  let names: TokenNames
  let showsLogProbabilities: Bool
  let includesUsage: Bool
  /// The chunks with text of each choice.
  private var frames: [Int: EventFrame] = [:]

  init(ticket: AnswerTicket, names: TokenNames, showsLogProbabilities: Bool, includesUsage: Bool) {
    self.ticket = ticket
    self.names = names
    self.showsLogProbabilities = showsLogProbabilities
    self.includesUsage = includesUsage
  }

  func whole(_ answers: [CollectedAnswer], _ usage: AnswerUsage) -> JSONValue {
    let choices = answers.enumerated().map { index, answer in
      JSONValue.object(
        JSONObject([
          ("index", .integer(index)), ("message", .object(message(answer, choice: index))),
          ("logprobs", logprobs(answer.logProbabilities)),
          ("finish_reason", .string(answer.ending.reasonName)),
        ]))
    }
    return ticket.answer("chat.completion", choices, usage: usage)
  }

  private func message(_ answer: CollectedAnswer, choice: Int) -> JSONObject {
    let hasNoText = answer.text.isEmpty && !answer.calls.isEmpty
    var message = JSONObject([
      ("role", "assistant"), ("content", hasNoText ? .null : .string(answer.text)),
      ("refusal", .null),
    ])
    if !answer.reasoning.isEmpty { message.add("reasoning_content", .string(answer.reasoning)) }
    guard !answer.calls.isEmpty else { return message }
    let calls = answer.calls.enumerated().map { index, call -> JSONValue in
      [
        "id": .string(ticket.callID(choice: choice, index: index)), "type": "function",
        "function": ["name": .string(call.name), "arguments": .string(call.arguments)],
      ]
    }
    message.add("tool_calls", .array(calls))
    return message
  }

  func open(_ choice: Int) -> [ServerEvent] {
    [chunk(choice, ["role": "assistant", "content": ""])]
  }

  mutating func show(
    _ pieces: [AnswerPiece], _ logProbabilities: [TokenLogProbabilities], of choice: Int
  ) -> [ServerEvent] {
    pieces.enumerated().map { index, piece in
      if case .text(let text) = piece, logProbabilities.isEmpty {
        return frame(of: choice).event(text)
      }
      return chunk(choice, delta(piece, choice), index == 0 ? logProbabilities : [])
    }
  }

  private mutating func frame(of choice: Int) -> EventFrame {
    if let frame = frames[choice] { return frame }
    let frame = EventFrame { chunk(choice, delta(.text($0), choice)) }
    frames[choice] = frame
    return frame
  }

  private func delta(_ piece: AnswerPiece, _ choice: Int) -> JSONValue {
    switch piece {
    case .reasoning(let text): ["reasoning_content": .string(text)]
    case .text(let text): ["content": .string(text)]
    case .call(let index, let name):
      [
        "tool_calls": [
          [
            "index": .integer(index), "id": .string(ticket.callID(choice: choice, index: index)),
            "type": "function", "function": ["name": .string(name), "arguments": ""],
          ]
        ]
      ]
    case .arguments(let index, let text):
      ["tool_calls": [["index": .integer(index), "function": ["arguments": .string(text)]]]]
    }
  }

  func close(
    _ choice: Int, _ ending: AnswerEnding, _ logProbabilities: [TokenLogProbabilities]
  ) -> [ServerEvent] {
    [chunk(choice, .object(JSONObject()), logProbabilities, reason: ending.reasonName)]
  }

  func end(_ usage: AnswerUsage) -> [ServerEvent] {
    includesUsage
      ? [ServerEvent(ticket.answer("chat.completion.chunk", [], usage: usage)), .done] : [.done]
  }

  func fail(_ error: APIError) -> [ServerEvent] { [ServerEvent(error.json)] }

  private func chunk(
    _ choice: Int, _ delta: JSONValue, _ logProbabilities: [TokenLogProbabilities] = [],
    reason: String? = nil
  ) -> ServerEvent {
    let choice = JSONObject([
      ("index", .integer(choice)), ("delta", delta), ("logprobs", logprobs(logProbabilities)),
      ("finish_reason", reason.map { .string($0) } ?? .null),
    ])
    return ServerEvent(ticket.answer("chat.completion.chunk", [.object(choice)], usage: nil))
  }

  private func logprobs(_ entries: [TokenLogProbabilities]) -> JSONValue {
    guard showsLogProbabilities, !entries.isEmpty else { return .null }
    return ["content": names.content(entries), "refusal": .null]
  }
}

extension AnswerTicket {
  /// What all objects of the completions APIs have around their choices.
  func answer(_ object: String, _ choices: [JSONValue], usage: AnswerUsage?) -> JSONValue {
    var members = JSONObject([
      ("id", .string(id)), ("object", .string(object)), ("created", .integer(created)),
      ("model", .string(model)),
    ])
    if let fingerprint { members.add("system_fingerprint", .string(fingerprint)) }
    members.add("choices", .array(choices))
    if let usage { members.add("usage", usage.json) }
    return .object(members)
  }
}
