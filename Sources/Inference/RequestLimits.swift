import Tokenization

/// The bounds of what a generator can run.
struct RequestLimits: Sendable {
  let contextLength: Int
  let vocabularySize: Int
  /// Tokens that the cache of all sequences has room for.
  var cacheCapacity = Int.max

  /// Throws when the request cannot be run as it is.
  func validate(_ request: GenerationRequest) throws(InferenceError) {
    try request.sampling.validate()
    try validate(request.prompt)
    try validateFields(of: request)
    for token in request.sampling.logitBias.keys where Int(token) >= vocabularySize {
      throw .invalidSampling(
        .logitBias, "token \(token) does not exist; the vocabulary has \(vocabularySize)")
    }
    let maxTokens = request.maxTokens ?? 1
    guard maxTokens > 0 else { throw .invalidMaxTokens(maxTokens) }
    guard maxTokens <= contextLength, request.prompt.count <= contextLength - maxTokens else {
      throw .contextExceeded(
        promptTokens: request.prompt.count, maxTokens: maxTokens, context: contextLength)
    }
    guard request.prompt.count + maxTokens <= cacheCapacity else {
      throw .cacheTooSmall(tokens: request.prompt.count + maxTokens, capacity: cacheCapacity)
    }
  }

  /// The most tokens that a valid request may be answered with.
  func maxTokens(for request: GenerationRequest) -> Int {
    request.maxTokens ?? min(contextLength, cacheCapacity) - request.prompt.count
  }

  private func validateFields(of request: GenerationRequest) throws(InferenceError) {
    let most = GenerationRequest.maximumTopLogprobs
    if let count = request.topLogprobs, !(0...most).contains(count) {
      throw .invalidField("top_logprobs", "must be from 0 to \(most), not \(count)")
    }
    guard request.resumeFrom >= 0 else {
      throw .invalidField("from", "must be 0 or more, not \(request.resumeFrom)")
    }
    guard request.note.count <= GenerationRequest.maximumNoteByteCount else {
      throw .invalidField(
        "note", "must have at most \(GenerationRequest.maximumNoteByteCount) bytes")
    }
    if let deadline = request.deadline, deadline <= .zero {
      throw .invalidField("deadline", "must be in the future")
    }
  }

  /// Throws unless there is a token and the model has all of them.
  func validate(_ tokens: [TokenID]) throws(InferenceError) {
    guard !tokens.isEmpty else { throw .emptyPrompt }
    for token in tokens where token < 0 || Int(token) >= vocabularySize {
      throw .unknownToken(Int(token), vocabularySize: vocabularySize)
    }
  }
}
