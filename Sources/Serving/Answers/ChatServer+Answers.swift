import Constraints
import Foundation
import HTTPTypes
import Hummingbird
import Inference
import ModelFiles
import NIOCore
import Tokenization

extension ChatServer {
  /// Answers a request to one of the answering routes, whole or as a stream.
  func answer(
    _ request: Request, path: String, _ context: ServingContext
  ) async throws -> Response {
    if let last = try lastEvent(of: request) {
      return try resume(last.stream, after: last.position, context)
    }
    let (body, byteCount) = try await json(of: request)
    var (plan, style) = try read(body, path: path)
    // Chosen here, so that a dropped stream can be written again.
    if plan.fields.sampling.seed == nil {
      plan.fields.sampling.seed = UInt64.random(in: 0...UInt64(Int64.max))
    }
    let ticket = ticket(style)
    let presenter = presenter(style, ticket, plan)
    guard plan.fields.streams else {
      let generations = try submit(plan, context.caller)
      let answers = try await context.client.cancelling(generations) {
        try await collect(generations, plan.layout, watches(plan, context))
      }
      let usage = AnswerUsage(answers.map(\.ending), choices: plan.fields.choices)
      return Response.json(value: presenter.whole(answers, usage))
    }
    let generations =
      if options.keepsJournal, plan.prompts.count == 1 {
        try await submitDurably(
          plan, ticket, StreamNote(path: path, created: ticket.created, body: body),
          context.caller)
      } else {
        try submit(plan, context.caller)
      }
    archive.keep(
      .init(
        ticket: ticket, style: style, plan: plan, owner: context.owner, bodyByteCount: byteCount))
    return EventStream(
      ticket: ticket, layout: plan.layout, choices: plan.fields.choices, presenter: presenter,
      start: StreamPosition(choices: plan.answerCount), watches: watches(plan, context),
      longestSilence: options.longestSilence
    ).response(generations, client: context.client)
  }

  /// Goes on with a stream after the events that the client has seen.
  ///
  /// The answer is run again from the start, or read again when it still runs after a restart: with
  /// its seed it is the same.
  func resume(
    _ id: String, after position: StreamPosition, _ context: ServingContext
  ) throws -> Response {
    guard let record = archive.record(id, owner: context.owner) else {
      throw APIError.invalid(
        "there is no stream \"\(id.prefix(80))\" to continue; streams are kept for ten minutes",
        param: "id", code: "not_found", status: .notFound)
    }
    guard position.counts.count == record.plan.answerCount else {
      throw APIError.invalid(
        "the position must have one number for each of the \(record.plan.answerCount) answers",
        param: "from")
    }
    let running = record.wasTakenUp ? attached(record) : nil
    let generations = try running ?? submit(record.plan, context.caller)
    return EventStream(
      ticket: record.ticket, layout: record.plan.layout, choices: record.plan.fields.choices,
      presenter: presenter(record.style, record.ticket, record.plan), start: position,
      watches: watches(record.plan, context), longestSilence: options.longestSilence
    ).response(generations, client: context.client, cancels: running == nil)
  }

  /// What counts the answers; the tokens of a prompt are charged once.
  private func watches(_ plan: AnswerPlan, _ context: ServingContext) -> [GenerationWatch] {
    plan.prompts.flatMap { prompt in
      (0..<plan.fields.choices).map { choice in
        figures.watch(
          promptTokens: choice == 0 ? prompt.count : 0, account: context.caller.account)
      }
    }
  }

  /// The generations of a stream that was taken up after a restart; they go on without readers.
  private func attached(_ record: StreamArchive.Record) -> [Generation]? {
    guard let id = RequestID(record.ticket.id) else { return nil }
    let generations = (0..<record.plan.answerCount).compactMap { choice in
      engine.attach(to: id, tenant: record.owner, choice: choice)
    }
    return generations.count == record.plan.answerCount ? generations : nil
  }

  /// Queues all answers of a plan; none of them when one is refused.
  private func submit(_ plan: AnswerPlan, _ caller: Caller) throws -> [Generation] {
    var generations: [Generation] = []
    do {
      for prompt in plan.prompts {
        var request = try request(prompt, plan)
        request.belong(to: caller)
        generations += try engine.submit(request, choices: plan.fields.choices)
      }
    } catch {
      for generation in generations { generation.cancel() }
      throw error
    }
    return generations
  }

  /// Queues the answers to a prompt so that they survive a crash.
  private func submitDurably(
    _ plan: AnswerPlan, _ ticket: AnswerTicket, _ note: StreamNote, _ caller: Caller
  ) async throws -> [Generation] {
    guard let prompt = plan.prompts.first else { return [] }
    var request = try request(prompt, plan)
    request.belong(to: caller)
    request.id = RequestID(ticket.id)
    request.note = note.bytes
    guard request.note.count <= GenerationRequest.maximumNoteByteCount else {
      return try engine.submit(request, choices: plan.fields.choices)
    }
    return try await engine.submitDurably(request, choices: plan.fields.choices)
  }

  /// What the engine is asked for one prompt.
  func request(_ prompt: [TokenID], _ plan: AnswerPlan) throws(APIError) -> GenerationRequest {
    var request = GenerationRequest(
      prompt: prompt, maxTokens: plan.fields.maxTokens, sampling: plan.fields.sampling,
      stopStrings: plan.fields.stopStrings,
      stopTokens: plan.fields.ignoresEndOfText ? [] : tokenizer.stopTokens,
      answerPrefix: plan.layout.answerPrefix)
    request.constraint = try constraint(plan.shape)
    request.topLogprobs = plan.fields.topLogprobs
    request.shownTokens = plan.layout.shownTokens
    return request
  }

  private func constraint(_ shape: AnswerShape?) throws(APIError) -> (any TokenConstraint)? {
    guard let shape else { return nil }
    do {
      return try library.constraint(shape)
    } catch {
      throw APIError(error, path: "response_format")
    }
  }

  private func collect(
    _ generations: [Generation], _ layout: AnswerLayout, _ watches: [GenerationWatch]
  ) async throws -> [CollectedAnswer] {
    var answers: [CollectedAnswer] = []
    for (generation, watch) in zip(generations, watches) {
      var reader = AnswerReader(layout)
      var pieces: [AnswerPiece] = []
      do {
        for try await event in generation.events {
          watch.take(event)
          pieces += reader.take(event)
        }
      } catch {
        if (error as? InferenceError) != .shuttingDown { watch.fail() }
        throw error
      }
      guard let ending = reader.ending, ending.finishReason != .cancelled else {
        throw InferenceError.shuttingDown  // or the client has gone, and nobody reads this
      }
      var answer = CollectedAnswer(pieces, ending)
      answer.logProbabilities = reader.takeLogProbabilities()
      answers.append(answer)
    }
    return answers
  }

  private func ticket(_ style: StreamArchive.Style) -> AnswerTicket {
    let unique = UUID().uuidString.filter { $0 != "-" }.lowercased()
    let prefix =
      switch style {
      case .chat: "chatcmpl-"
      case .text: "cmpl-"
      case .responses: "resp_"
      }
    return AnswerTicket(
      id: prefix + unique, created: Int(Date().timeIntervalSince1970), model: options.modelName,
      fingerprint: options.fingerprint)
  }

  private func presenter(
    _ style: StreamArchive.Style, _ ticket: AnswerTicket, _ plan: AnswerPlan
  ) -> any AnswerPresenter {
    let names = TokenNames(tokenizer: tokenizer)
    let shows = plan.fields.topLogprobs != nil
    return switch style {
    case .chat:
      ChatPresenter(
        ticket: ticket, names: names, showsLogProbabilities: shows,
        includesUsage: plan.fields.includesUsage)
    case .text:
      TextPresenter(
        ticket: ticket, names: names, showsLogProbabilities: shows,
        includesUsage: plan.fields.includesUsage, echo: plan.layout.echo,
        choices: plan.fields.choices)
    case .responses(let settings):
      ResponsePresenter(ticket: ticket, settings: settings, names: names)
    }
  }
}

extension ChatServer {
  /// The body of a request as JSON, and its bytes.
  func json(of request: Request) async throws -> (value: JSONValue, byteCount: Int) {
    let body = try await bytes(of: request)
    do {
      let value = try JSONValue(parsing: Array(body.readableBytesView), replacingHalfPairs: true)
      return (value, body.readableBytes)
    } catch {
      throw APIError.invalid("the request body is not valid JSON: \(error)", code: "invalid_json")
    }
  }

  private func bytes(of request: Request) async throws -> ByteBuffer {
    do {
      return try await request.body.collect(upTo: options.maximumBodyBytes)
    } catch is NIOTooManyBytesError {
      throw APIError.tooLong(options.maximumBodyBytes)
    }
  }

  /// Fails when a request names a model that this server does not have.
  func check(model name: String?) throws(APIError) {
    guard let name, name != options.modelName, !options.aliases.contains(name) else { return }
    throw .invalid(
      "the model \"\(name.prefix(80))\" does not exist here; this server has"
        + " \"\(options.modelName)\"", param: "model", code: "model_not_found",
      status: .notFound)
  }

  /// The position that a request's `Last-Event-ID` tells, if it has one.
  func lastEvent(
    of request: Request
  ) throws(APIError) -> (stream: String, position: StreamPosition)? {
    guard let text = request.headers[.lastEventID] else { return nil }
    guard let found = StreamPosition.parse(eventID: text) else {
      throw .invalid(
        "Last-Event-ID must be the id of an event of a stream", param: "Last-Event-ID")
    }
    return found
  }
}
