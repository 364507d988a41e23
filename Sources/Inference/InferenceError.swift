/// Why a request cannot be run, or ended early.
public enum InferenceError: Error, Sendable, Equatable {
  /// A sampling parameter is out of range; the text says what is allowed.
  case invalidSampling(SamplingParameters.Name, String)
  /// There is nothing to continue.
  case emptyPrompt
  /// A token id that the model does not have.
  case unknownToken(Int, vocabularySize: Int)
  /// `maxTokens` is not positive.
  case invalidMaxTokens(Int)
  /// Prompt and answer together do not fit into the cache.
  case contextExceeded(promptTokens: Int, maxTokens: Int, context: Int)
  /// As many requests wait as are allowed to.
  case queueFull(limit: Int)
  /// The engine has been told to stop.
  case shuttingDown
  /// The model gave no usable logit.
  case unusableLogits
  /// A forward pass failed; the text is the failure's own.
  case stepFailed(String)
  /// Perplexity of a text without tokens, or over windows without room.
  case unusableWindows(tokens: Int, window: Int)
}

extension InferenceError: CustomStringConvertible {
  /// One line: what is wrong, and what to do.
  public var description: String {
    switch self {
    case .invalidSampling(let name, let problem): "\(name.rawValue): \(problem)"
    case .emptyPrompt: "the prompt has no tokens; give at least one"
    case .unknownToken(let id, let size):
      "token \(id) does not exist; the vocabulary has ids 0 to \(size - 1)"
    case .invalidMaxTokens(let count): "max_tokens must be 1 or more, not \(count)"
    case .contextExceeded(let prompt, let maxTokens, let context):
      "\(prompt) prompt tokens and up to \(maxTokens) new ones exceed the context of \(context)"
        + "; shorten the prompt, ask for fewer, or serve with a larger context"
    case .queueFull(let limit): "\(limit) requests are already waiting; try again later"
    case .shuttingDown: "the server is shutting down; send the request elsewhere or later"
    case .unusableLogits: "the model gave no finite logit; check the model file"
    case .stepFailed(let reason): reason
    case .unusableWindows(let tokens, let window):
      "cannot cut \(tokens) tokens into windows of \(window); both must be at least 1"
    }
  }
}
