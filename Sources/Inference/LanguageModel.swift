public import Tensors
public import Tokenization

/// What the engine needs of a model: the next tokens of a sequence in, logits out.
///
/// A model is used by one thread at a time and may block on remote experts.
public protocol LanguageModel: AnyObject, SendableMetatype {
  /// The keys and values of one sequence.
  associatedtype Cache: SequenceCache

  /// Logits per row; may exceed the tokenizer's vocabulary by padding.
  var vocabularySize: Int { get }
  /// The longest sequence that the model was made for.
  var contextLength: Int { get }
  /// The most tokens that one `forward` takes.
  var maxStepRows: Int { get }

  /// Makes room for a sequence of `capacity` tokens.
  func makeCache(capacity: Int) throws -> Cache

  /// Runs tokens that follow what `cache` holds, and adds them to it.
  ///
  /// - Parameters:
  ///   - tokens: One to `maxStepRows` consecutive tokens of one sequence.
  ///   - cache: The sequence so far; after an error its contents beyond the old length are void.
  ///   - wanted: Which tokens' logits to compute.
  ///   - logits: Receives one row per wanted token, from row 0; `vocabularySize` columns.
  /// - Throws: What went wrong, in one line; the sequence can be run again from the start.
  func forward(
    _ tokens: Span<TokenID>, cache: Cache, wanted: WantedLogits, logits: inout FloatMatrix) throws
}

/// Which tokens of a step the caller wants logits of.
public enum WantedLogits: Sendable {
  /// Of none: a part of a prompt that is not its end.
  case none
  /// Of the last token: the end of a prompt, or a decode step.
  case last
  /// Of every token.
  case all
}

/// The keys and values of one sequence, as far as the engine handles them.
public protocol SequenceCache: AnyObject {
  /// How many tokens are stored.
  var length: Int { get }
  /// Forgets all but the first `length` tokens.
  func truncate(to length: Int)
}
