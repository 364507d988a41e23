import Constraints
import Inference
import Synchronization
import Tokenization

/// The automata of recent response formats, shared by the requests that use them.
final class ConstraintLibrary: Sendable {
  fileprivate struct State {
    var tree: VocabularyTree?
    var automata: [(shape: AnswerShape, automaton: TokenAutomaton)] = []  // latest last
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
    if let known = state.withLock({ $0.take(shape) }) { return TokenMatcher(known) }
    let grammar = try Grammar(shape)
    let automaton = state.withLock { state in
      let tree = state.tree ?? VocabularyTree(tokenizer)
      state.tree = tree
      let automaton = TokenAutomaton(grammar, tree)
      if state.automata.count >= limit { state.automata.removeFirst() }
      state.automata.append((shape, automaton))
      return automaton
    }
    return TokenMatcher(automaton)
  }
}

extension ConstraintLibrary.State {
  /// A known automaton, which is the latest from now on.
  fileprivate mutating func take(_ shape: AnswerShape) -> TokenAutomaton? {
    guard let index = automata.firstIndex(where: { $0.shape == shape }) else { return nil }
    let found = automata.remove(at: index)
    automata.append(found)
    return found.automaton
  }
}
