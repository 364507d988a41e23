/// The events of a generation, one after another.
///
/// Those of a step come together, so that a reader that waits is woken once for all of them.
public struct GenerationEvents: AsyncSequence, Sendable {
  /// One event.
  public typealias Element = GenerationEvent
  typealias Batches = AsyncThrowingStream<[GenerationEvent], any Error>

  /// Reads the events.
  public struct AsyncIterator: AsyncIteratorProtocol {
    private var batches: Batches.AsyncIterator
    private var batch: ArraySlice<GenerationEvent> = []  // not yet read

    fileprivate init(_ batches: Batches.AsyncIterator) { self.batches = batches }

    /// What has come since the last call, several events or none after a nudge; nil after the last.
    ///
    /// - Throws: `InferenceError` when the generation has failed.
    public mutating func nextBatch() async throws -> ArraySlice<GenerationEvent>? {
      guard batch.isEmpty else {
        defer { batch = [] }
        return batch
      }
      return try await batches.next()?[...]
    }

    /// The next event; nil after the last one.
    ///
    /// - Throws: `InferenceError` when the generation has failed.
    public mutating func next() async throws -> GenerationEvent? {
      while batch.isEmpty {
        guard let next = try await batches.next() else { return nil }
        batch = next[...]
      }
      return batch.popFirst()
    }
  }

  private let batches: Batches

  init(_ batches: Batches) { self.batches = batches }

  /// Starts to read; there is one reader.
  public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(batches.makeAsyncIterator()) }
}
