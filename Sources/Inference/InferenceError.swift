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
  /// More tokens than the cache of all sequences has room for.
  case cacheTooSmall(tokens: Int, capacity: Int)
  /// The cache of a sequence has no room for that many tokens.
  case cacheFull(tokens: Int)
  /// A field of the request is out of range; the text says what is allowed.
  case invalidField(String, String)
  /// A request with this id is running or remembered; attach to it.
  case duplicateID(RequestID)
  /// The request took longer than it was given.
  case deadlineExceeded(Duration)
  /// The constraint cannot be followed; the text says why.
  case constraintFailed(String)
  /// A request that must survive a crash cannot be written down; the text says why.
  case journalFailed(String)
  /// Prefixes cannot be kept on disk; the text says why.
  case storeFailed(String)
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
      // Clients that shorten prompts by themselves look for OpenAI's first words.
      "This model's maximum context length is \(context) tokens; \(prompt) prompt tokens and up to"
        + " \(maxTokens) new \(maxTokens == 1 ? "one" : "ones") exceed it; shorten the prompt, ask for fewer,"
        + " or serve with a larger context"
    case .cacheTooSmall(let tokens, let capacity):
      "prompt and answer of \(tokens) tokens exceed the cache of \(capacity) for all requests;"
        + " ask for fewer tokens, or serve with more cache memory"
    case .cacheFull(let tokens): "the cache has no room for a sequence of \(tokens) tokens"
    case .invalidField(let name, let problem): "\(name): \(problem)"
    case .duplicateID(let id): "a request with the id \(id) exists; attach to it, or use another id"
    case .deadlineExceeded(let limit):
      "the request was not finished within \(limit); allow more time, or ask for fewer tokens"
    case .constraintFailed(let reason): reason
    case .storeFailed(let reason): reason
    case .journalFailed(let reason): reason
    case .queueFull(let limit): "\(limit) requests are already waiting; try again later"
    case .shuttingDown: "the server is shutting down; send the request elsewhere or later"
    case .unusableLogits: "the model gave no finite logit; check the model file"
    case .stepFailed(let reason): reason
    case .unusableWindows(let tokens, let window):
      "cannot cut \(tokens) tokens into windows of \(window); both must be at least 1"
    }
  }
}
