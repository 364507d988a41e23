import Constraints
import Crypto
import Inference
import Synchronization
import Tokenization

/// The automata of recent response formats, shared by the requests that use them.
final class ConstraintLibrary: Sendable {
  fileprivate struct State {
    var tree: VocabularyTree?
    /// Latest last; by the digest of the shape's spelling, since a shape may have megabytes.
    var automata: [(shape: SHA256.Digest, automaton: TokenAutomaton)] = []
  }

  private let tokenizer: Tokenizer
  private let limit: Int
  private let state = Mutex(State())

  /// Keeps at most `limit` automata.
  init(_ tokenizer: Tokenizer, limit: Int = 32) {
    self.tokenizer = tokenizer
    self.limit = limit
  }

  /// A constraint at the start of an answer.
  func constraint(_ shape: AnswerShape) throws(SchemaError) -> any TokenConstraint {
    let digest = SHA256.hash(data: shape.spelling)
    if let known = state.withLock({ $0.take(digest) }) { return TokenMatcher(known) }
    let grammar = try Grammar(shape)
    let automaton = state.withLock { state in
      let tree = state.tree ?? VocabularyTree(tokenizer)
      state.tree = tree
      let automaton = TokenAutomaton(grammar, tree)
      if state.automata.count >= limit { state.automata.removeFirst() }
      state.automata.append((digest, automaton))
      return automaton
    }
    return TokenMatcher(automaton)
  }
}

extension ConstraintLibrary.State {
  /// A known automaton, which is the latest from now on.
  fileprivate mutating func take(_ shape: SHA256.Digest) -> TokenAutomaton? {
    guard let index = automata.firstIndex(where: { $0.shape == shape }) else { return nil }
    let found = automata.remove(at: index)
    automata.append(found)
    return found.automaton
  }
}
