import Inference
import ModelFiles

/// `response` objects, and the typed events of their streams.
struct ResponsePresenter: AnswerPresenter {
  let ticket: AnswerTicket
  let settings: ResponseSettings
  let names: TokenNames

  private var sequenceNumber = 0
  private var finished: [JSONValue] = []  // output items
  private var open: ResponseItem?
  private var ending: AnswerEnding?

  init(ticket: AnswerTicket, settings: ResponseSettings, names: TokenNames) {
    self.ticket = ticket
    self.settings = settings
    self.names = names
  }

  func whole(_ answers: [CollectedAnswer], _ usage: AnswerUsage) -> JSONValue {
    guard let answer = answers.first else { return .null }
    var items: [ResponseItem] = []
    if !answer.reasoning.isEmpty { items.append(item(.reasoning, 0, answer.reasoning)) }
    if !answer.text.isEmpty || answer.calls.isEmpty {
      var message = item(.message, items.count, answer.text)
      message.logProbabilities = answer.logProbabilities
      items.append(message)
    }
    for (index, call) in answer.calls.enumerated() {
      items.append(item(.call(index: index, name: call.name), items.count, call.arguments))
    }
    return response(
      Self.status(answer.ending),
      items.enumerated().map { index, item in
        let isLast = index == items.count - 1
        return item.json(names, settings, isLast ? Self.status(answer.ending) : "completed")
      },
      answer.ending, usage)
  }

  private func item(_ kind: ResponseItem.Kind, _ index: Int, _ text: String) -> ResponseItem {
    ResponseItem(kind: kind, ticket: ticket, index: index, text: text)
  }

  private static func status(_ ending: AnswerEnding) -> String {
    ending.finishReason == .length ? "incomplete" : "completed"
  }

  private func response(
    _ status: String, _ items: [JSONValue], _ ending: AnswerEnding?, _ usage: AnswerUsage?,
    error: JSONValue = .null
  ) -> JSONValue {
    let details: JSONValue = status == "incomplete" ? ["reason": "max_output_tokens"] : .null
    var members = JSONObject([
      ("id", .string(ticket.id)), ("object", "response"), ("created_at", .integer(ticket.created)),
      ("status", .string(status)), ("error", error), ("incomplete_details", details),
      ("model", .string(ticket.model)), ("output", .array(items)),
    ])
    for member in settings.echo { members.add(member.key, member.value) }
    if let fingerprint = ticket.fingerprint {
      members.add("system_fingerprint", .string(fingerprint))
    }
    members.add("usage", usage?.responsesJSON ?? .null)
    return .object(members)
  }

  // MARK: Events

  private mutating func event(_ type: String, _ members: [(String, JSONValue)]) -> ServerEvent {
    defer { sequenceNumber += 1 }
    return ServerEvent(
      name: type,
      .object(
        JSONObject(
          [("type", .string(type)), ("sequence_number", .integer(sequenceNumber))] + members)))
  }

  mutating func open(_ choice: Int) -> [ServerEvent] {
    let started = response("in_progress", [], nil, nil)
    return ["response.created", "response.in_progress"].map { type in
      event(type, [("response", started)])
    }
  }

  mutating func show(
    _ pieces: [AnswerPiece], _ logProbabilities: [TokenLogProbabilities], of choice: Int
  ) -> [ServerEvent] {
    pieces.enumerated().flatMap { index, piece in
      show(piece, index == 0 ? logProbabilities : [])
    }
  }

  private mutating func show(
    _ piece: AnswerPiece, _ logProbabilities: [TokenLogProbabilities]
  ) -> [ServerEvent] {
    switch piece {
    case .reasoning(let text): return add(text, [], to: .reasoning)
    case .text(let text): return add(text, logProbabilities, to: .message)
    case .call(let index, let name): return start(.call(index: index, name: name))
    case .arguments(_, let text):
      guard let kind = open?.kind else { return [] }
      return add(text, [], to: kind)
    }
  }

  private mutating func add(
    _ text: String, _ logProbabilities: [TokenLogProbabilities], to kind: ResponseItem.Kind
  ) -> [ServerEvent] {
    var events = open?.kind == kind ? [] : start(kind)
    guard var item = open else { return events }
    item.text += text
    item.logProbabilities += logProbabilities
    open = item
    var members = item.place + [("delta", .string(text))]
    if kind == .message {
      members.append(("logprobs", item.logprobs(logProbabilities, names, settings)))
    }
    events.append(event("response.\(kind.name).delta", members))
    return events
  }

  private mutating func start(_ kind: ResponseItem.Kind) -> [ServerEvent] {
    var events = finishItem()
    let item = ResponseItem(kind: kind, ticket: ticket, index: finished.count, text: "")
    open = item
    events.append(
      event(
        "response.output_item.added",
        [
          ("output_index", .integer(item.index)),
          ("item", item.json(names, settings, "in_progress")),
        ]))
    if let part = item.part(names, settings) {
      events.append(event("response.content_part.added", item.place + [("part", part)]))
    }
    return events
  }

  private mutating func finishItem(_ status: String = "completed") -> [ServerEvent] {
    guard let item = open else { return [] }
    open = nil
    let json = item.json(names, settings, status)
    finished.append(json)
    var members = item.place
    switch item.kind {
    case .call(_, let name):
      members += [("name", .string(name)), ("arguments", .string(item.text))]
    case .message:
      members += [
        ("text", .string(item.text)),
        ("logprobs", item.logprobs(item.logProbabilities, names, settings)),
      ]
    case .reasoning: members.append(("text", .string(item.text)))
    }
    var events = [event("response.\(item.kind.name).done", members)]
    if let part = item.part(names, settings) {
      events.append(event("response.content_part.done", item.place + [("part", part)]))
    }
    events.append(
      event(
        "response.output_item.done", [("output_index", .integer(item.index)), ("item", json)]))
    return events
  }

  mutating func close(
    _ choice: Int, _ ending: AnswerEnding, _ logProbabilities: [TokenLogProbabilities]
  ) -> [ServerEvent] {
    self.ending = ending
    open?.logProbabilities += logProbabilities
    let opening = open == nil && finished.isEmpty ? start(.message) : []
    return opening + finishItem(Self.status(ending))
  }

  mutating func end(_ usage: AnswerUsage) -> [ServerEvent] {
    let status = ending.map(Self.status) ?? "completed"
    return [event("response.\(status)", [("response", response(status, finished, ending, usage))])]
  }

  mutating func fail(_ error: APIError) -> [ServerEvent] {
    let details: JSONValue = [
      "code": .string(error.code ?? "server_error"), "message": .string(error.message),
    ]
    let failed = response("failed", finished, nil, nil, error: details)
    return [event("response.failed", [("response", failed)])]
  }
}

/// One item of a response's output, as far as it has come.
private struct ResponseItem: Sendable {
  enum Kind: Sendable, Equatable {
    case reasoning
    case message
    case call(index: Int, name: String)

    /// What its events are called.
    var name: String {
      switch self {
      case .reasoning: "reasoning_text"
      case .message: "output_text"
      case .call: "function_call_arguments"
      }
    }
  }

  let kind: Kind
  let ticket: AnswerTicket
  let index: Int
  var text: String
  var logProbabilities: [TokenLogProbabilities] = []

  var id: String {
    let own = ticket.id.split(separator: "_").last ?? ""
    return switch kind {
    case .reasoning: "rs_\(own)_\(index)"
    case .message: "msg_\(own)_\(index)"
    case .call: "fc_\(own)_\(index)"
    }
  }

  /// Where an event belongs; calls have no content parts.
  var place: [(String, JSONValue)] {
    var place: [(String, JSONValue)] = [
      ("item_id", .string(id)), ("output_index", .integer(index)),
    ]
    if case .call = kind { return place }
    place.append(("content_index", 0))
    return place
  }

  func part(_ names: TokenNames, _ settings: ResponseSettings) -> JSONValue? {
    switch kind {
    case .reasoning: ["type": "reasoning_text", "text": .string(text)]
    case .message:
      [
        "type": "output_text", "text": .string(text), "annotations": [],
        "logprobs": logprobs(logProbabilities, names, settings),
      ]
    case .call: nil
    }
  }

  func logprobs(
    _ entries: [TokenLogProbabilities], _ names: TokenNames, _ settings: ResponseSettings
  ) -> JSONValue {
    settings.showsLogProbabilities ? names.content(entries) : []
  }

  /// The item; without content while it is in progress.
  func json(_ names: TokenNames, _ settings: ResponseSettings, _ status: String) -> JSONValue {
    let isDone = status != "in_progress"
    let content = isDone ? part(names, settings).map { [$0] } ?? [] : []
    let status = JSONValue.string(status)
    switch kind {
    case .reasoning:
      return [
        "id": .string(id), "type": "reasoning", "status": status, "summary": [],
        "content": .array(content),
      ]
    case .message:
      return [
        "id": .string(id), "type": "message", "status": status, "role": "assistant",
        "content": .array(content),
      ]
    case .call(let call, let name):
      return [
        "id": .string(id), "type": "function_call", "status": status,
        "call_id": .string(ticket.callID(choice: 0, index: call)), "name": .string(name),
        "arguments": .string(text),
      ]
    }
  }
}

extension AnswerUsage {
  /// `usage` as the responses API has it.
  var responsesJSON: JSONValue {
    [
      "input_tokens": .integer(promptTokens),
      "input_tokens_details": ["cached_tokens": .integer(cachedTokens)],
      "output_tokens": .integer(outputTokens),
      "output_tokens_details": ["reasoning_tokens": .integer(reasoningTokens)],
      "total_tokens": .integer(promptTokens + outputTokens),
    ]
  }
}
