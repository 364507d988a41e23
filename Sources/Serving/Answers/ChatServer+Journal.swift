import Foundation
import HTTPTypes
import Inference
import ModelFiles

/// What the engine's journal keeps of a stream for this server: how it was asked for.
struct StreamNote {
  let path: String
  let created: Int
  let body: JSONValue

  init(path: String, created: Int, body: JSONValue) {
    self.path = path
    self.created = created
    self.body = body
  }

  /// Reads a note of this or an earlier run.
  init?(_ bytes: [UInt8]) {
    guard let value = try? JSONValue(parsing: bytes), let path = value["path"]?.string,
      let created = value["created"]?.integer, let body = value["body"]
    else { return nil }
    self.init(path: path, created: created, body: body)
  }

  var bytes: [UInt8] {
    var text = JSONText()
    text.write(["path": .string(path), "created": .integer(created), "body": body])
    return text.bytes
  }
}

extension ChatServer {
  /// Takes up streams that a crash or a restart has interrupted; clients can continue them by id.
  ///
  /// To be called once, before the server runs, when the engine has a journal.
  /// - Returns: One line for each request that cannot be taken up.
  @discardableResult
  public func resumeUnfinished() -> [String] {
    for request in engine.finishedBefore { recall(request) }
    let refused = engine.resumeUnfinished { request in
      guard let note = StreamNote(request.note) else { return request }
      return try restore(request, note)
    }
    return refused.map { request, error in
      "request \(request.id?.description ?? "without a name"): \(APIError(any: error).message)"
    }
  }

  /// Lets clients have a stream again that was over, or nearly so, when the server ended.
  private func recall(_ request: GenerationRequest) {
    guard let note = StreamNote(request.note), let id = request.id?.description,
      Date().timeIntervalSince1970 - Double(note.created) < StreamArchive.lifetime / .seconds(1),
      let (asked, style) = try? read(note.body, path: note.path)
    else { return }  // too old, or of a model that was served before
    var plan = asked
    plan.fields.sampling.seed = request.sampling.seed
    let ticket = ticket(id, created: note.created)
    archive.keep(
      .init(
        ticket: ticket, style: style, plan: plan, owner: request.tenant,
        bodyByteCount: request.note.count))
  }

  private func ticket(_ id: String, created: Int) -> AnswerTicket {
    AnswerTicket(
      id: id, created: created, model: options.modelName, fingerprint: options.fingerprint)
  }

  /// Completes a request that was read from the journal, and keeps how to present it.
  private func restore(
    _ request: GenerationRequest, _ note: StreamNote
  ) throws -> GenerationRequest {
    var (plan, style) = try read(note.body, path: note.path)
    plan.fields.sampling.seed = request.sampling.seed
    let ticket = ticket(request.id?.description ?? "", created: note.created)
    archive.keep(
      .init(
        ticket: ticket, style: style, plan: plan, owner: request.tenant,
        bodyByteCount: request.note.count, wasTakenUp: true))
    guard let prompt = plan.prompts.first else { return request }
    guard prompt == request.prompt else {
      throw APIError.invalid(
        "its prompt would be another one now; start the server with the chat format of before")
    }
    var restored = try self.request(prompt, plan)
    restored.sampling = request.sampling
    restored.maxTokens = request.maxTokens
    restored.id = request.id
    restored.tenant = request.tenant
    restored.priority = request.priority
    restored.note = request.note
    return restored
  }

  /// What the body of a request to one of the answering routes comes to.
  func read(
    _ body: JSONValue, path: String
  ) throws(APIError) -> (AnswerPlan, StreamArchive.Style) {
    switch path {
    case ChatRoutes.path:
      let body = try ChatCompletionsBody(body, defaults: options.defaults)
      try check(model: body.model)
      return (
        try plan(chat: body.messages, tools: body.tools, body.generation, thinks: body.thinks),
        .chat
      )
    case CompletionRoutes.path:
      let body = try CompletionsBody(body, defaults: options.defaults)
      try check(model: body.model)
      return (try plan(body), .text)
    case ResponseRoutes.path:
      let body = try ResponsesBody(body, defaults: options.defaults)
      try check(model: body.model)
      return (
        try plan(chat: body.messages, tools: body.tools, body.generation, thinks: body.thinks),
        .responses(body.settings)
      )
    default: throw .invalid("there is nothing at this address", status: .notFound)
    }
  }
}
