import Hummingbird
import Inference
import NIOCore

/// Writes a generation as server-sent events: `data: {…}` and a blank line each, `[DONE]` last.
struct EventStream: Sendable {
  let format: AnswerFormat
  let includesUsage: Bool
  let watch: GenerationWatch

  /// The response, whose body is written while the engine works.
  func response(_ generation: Generation, client: ClientConnection) -> Response {
    Response(
      status: .ok,
      headers: [.contentType: "text/event-stream; charset=utf-8", .cacheControl: "no-cache"],
      body: ResponseBody { writer in
        try await client.cancelling(generation) {
          try await write(generation, to: &writer)
        }
        try await writer.finish(nil)
      })
  }

  private func write(
    _ generation: Generation, to writer: inout any ResponseBodyWriter
  ) async throws {
    if let opening = format.opening { try await send(opening, to: &writer) }
    do {
      var isComplete = false
      for try await event in generation.events {
        watch.take(event)
        switch event {
        case .token, .logProbabilities: break
        case .text(let text): try await send(format.part(text), to: &writer)
        case .finished(let summary):
          guard summary.finishReason != .cancelled else { throw InferenceError.shuttingDown }
          try await send(format.closing(summary.finishReason), to: &writer)
          if includesUsage { try await send(format.usage(summary), to: &writer) }
          isComplete = true
        }
      }
      guard isComplete else { throw InferenceError.shuttingDown }
      try await writer.write(ByteBuffer(string: "data: [DONE]\n\n"))
    } catch let error as InferenceError {
      try await send(APIError(error).body, to: &writer)
    }
  }

  private func send(
    _ value: some Encodable, to writer: inout any ResponseBodyWriter
  ) async throws {
    var buffer = ByteBuffer(string: "data: ")
    buffer.writeBytes(jsonBytes(value))
    buffer.writeStaticString("\n\n")
    try await writer.write(buffer)
  }
}
