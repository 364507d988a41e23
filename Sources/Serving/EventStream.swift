import HTTPTypes
import Hummingbird
import Inference
import NIOCore

/// Writes answers as server-sent events, each with an id from which the stream can be continued.
struct EventStream: Sendable {
  let ticket: AnswerTicket
  let layout: AnswerLayout
  /// Answers to each prompt.
  let choices: Int
  var presenter: any AnswerPresenter
  /// What the client has read before; those events are not sent again.
  var start: StreamPosition
  /// What counts each generation.
  let watches: [GenerationWatch]
  /// How long it may be silent.
  let longestSilence: Duration

  /// The response, whose body is written while the engine works.
  ///
  /// With `cancels`, the engine stops when the client goes away.
  func response(
    _ generations: [Generation], client: ClientConnection, cancels: Bool = true
  ) -> Response {
    Response(
      status: .ok,
      headers: [
        .contentType: "text/event-stream; charset=utf-8", .cacheControl: "no-cache",
        .streamID: ticket.id,
      ],
      body: ResponseBody { writer in
        try await client.cancelling(cancels ? generations : []) {
          let nudge: @Sendable () -> Void = { for generation in generations { generation.nudge() } }
          try await client.every(longestSilence, nudge) {
            try await client.onEventLoop {
              var stream = StreamWriter(self, count: generations.count)
              try await stream.write(generations, to: &writer)
            }
          }
        }
        try await writer.finish(nil)
      })
  }
}

extension HTTPField.Name {
  /// The last event that a client has seen.
  static let lastEventID = named("last-event-id")
  /// The stream's id, which its events have, too: it is accepted before the first of them comes.
  static let streamID = named("x-stream-id")
}

/// One stream on its way.
private struct StreamWriter {
  private let stream: EventStream
  private var presenter: any AnswerPresenter
  private var position: StreamPosition
  private var readers: [AnswerReader]
  private var lastWrite = ContinuousClock.now

  init(_ stream: EventStream, count: Int) {
    self.stream = stream
    presenter = stream.presenter
    position = StreamPosition(choices: count)
    readers = Array(repeating: AnswerReader(stream.layout), count: count)
  }

  mutating func write(
    _ generations: [Generation], to writer: inout any ResponseBodyWriter
  ) async throws {
    do {
      for choice in readers.indices { try await send(presenter.open(choice), choice, to: &writer) }
      for try await (choice, event) in MergedEvents(generations) {
        guard let event else {
          try await breakSilence(on: &writer)
          continue
        }
        if stream.watches.indices.contains(choice) { stream.watches[choice].take(event) }
        let pieces = readers[choice].take(event)
        if !pieces.isEmpty {
          let logProbabilities = readers[choice].takeLogProbabilities()
          try await send(presenter.show(pieces, logProbabilities, of: choice), choice, to: &writer)
        }
        guard let ending = readers[choice].ending else { continue }
        guard ending.finishReason != .cancelled else { throw InferenceError.shuttingDown }
        let logProbabilities = readers[choice].takeLogProbabilities()
        try await send(presenter.close(choice, ending, logProbabilities), choice, to: &writer)
      }
      let endings = readers.compactMap(\.ending)
      guard endings.count == readers.count else { throw InferenceError.shuttingDown }
      let usage = AnswerUsage(endings, choices: stream.choices)
      for event in presenter.end(usage) { try await write(event, id: nil, to: &writer) }
    } catch let error as InferenceError {
      if error != .shuttingDown { for watch in stream.watches { watch.fail() } }
      for event in presenter.fail(APIError(error)) { try await write(event, id: nil, to: &writer) }
    }
  }

  /// Counts events of a choice, and writes those that the client has not seen.
  private mutating func send(
    _ events: [ServerEvent], _ choice: Int, to writer: inout any ResponseBodyWriter
  ) async throws {
    for event in events {
      position.counts[choice] += 1
      guard position.counts[choice] > stream.start.counts[choice] else { continue }
      try await write(event, id: position, to: &writer)
    }
  }

  /// Writes a comment, which clients skip, when nothing has been written for a while.
  private mutating func breakSilence(on writer: inout any ResponseBodyWriter) async throws {
    let now = ContinuousClock.now
    guard now - lastWrite > stream.longestSilence / 2 else { return }
    lastWrite = now
    try await writer.write(ByteBuffer(staticString: ":\n\n"))
  }

  private mutating func write(
    _ event: ServerEvent, id: StreamPosition?, to writer: inout any ResponseBodyWriter
  ) async throws {
    lastWrite = ContinuousClock.now
    var buffer = ByteBuffer()
    buffer.reserveCapacity(event.data.count + 128)
    if let name = event.name { buffer.writeString("event: \(name)\n") }
    if let id {
      buffer.writeStaticString("id: ")
      id.write(to: &buffer, of: stream.ticket.id)
      buffer.writeStaticString("\n")
    }
    buffer.writeStaticString("data: ")
    buffer.writeBytes(event.data)
    buffer.writeStaticString("\n\n")
    try await writer.write(buffer)
  }
}

/// The events of several generations, in the order in which they come; nil after a nudge.
struct MergedEvents: AsyncSequence {
  typealias Element = (choice: Int, event: GenerationEvent?)

  /// A single generation is read as it is; several go through one stream.
  enum AsyncIterator: AsyncIteratorProtocol {
    typealias Element = MergedEvents.Element

    case one(GenerationEvents.AsyncIterator, ArraySlice<GenerationEvent>)
    case several(AsyncThrowingStream<Element, any Error>.AsyncIterator)

    mutating func next() async throws -> Element? {
      switch self {
      case .one(var events, var batch):
        defer { self = .one(events, batch) }
        if batch.isEmpty {
          guard let next = try await events.nextBatch() else { return nil }
          batch = next
        }
        return (choice: 0, event: batch.popFirst())
      case .several(var events): return try await events.next()
      }
    }
  }

  private let generations: [Generation]

  init(_ generations: [Generation]) {
    self.generations = generations
  }

  func makeAsyncIterator() -> AsyncIterator {
    if generations.count == 1, let events = generations.first?.events {
      return .one(events.makeAsyncIterator(), [])
    }
    return .several(merged.makeAsyncIterator())
  }

  private var merged: AsyncThrowingStream<Element, any Error> {
    AsyncThrowingStream { continuation in
      // Not a child task: a sequence has no scope. It ends with the stream.
      let task = Task {
        do {
          try await withThrowingTaskGroup(of: Void.self) { group in
            for (choice, generation) in generations.enumerated() {
              group.addTask {
                var events = generation.events.makeAsyncIterator()
                while let batch = try await events.nextBatch() {
                  for event in batch { continuation.yield((choice, event)) }
                  if batch.isEmpty { continuation.yield((choice, nil)) }
                }
              }
            }
            try await group.waitForAll()
          }
          continuation.finish()
        } catch {
          continuation.finish(throwing: error)
        }
      }
      continuation.onTermination = { _ in task.cancel() }
    }
  }
}
