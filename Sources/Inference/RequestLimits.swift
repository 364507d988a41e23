import Tokenization

/// The bounds of what a generator can run.
struct RequestLimits: Sendable {
  let contextLength: Int
  let vocabularySize: Int

  /// Throws when the request cannot be run as it is.
  func validate(_ request: GenerationRequest) throws(InferenceError) {
    try request.sampling.validate()
    try validate(request.prompt)
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
  }

  /// Throws unless there is a token and the model has all of them.
  func validate(_ tokens: [TokenID]) throws(InferenceError) {
    guard !tokens.isEmpty else { throw .emptyPrompt }
    for token in tokens where token < 0 || Int(token) >= vocabularySize {
      throw .unknownToken(Int(token), vocabularySize: vocabularySize)
    }
  }
}
