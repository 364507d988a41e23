public import Inference
import Synchronization
public import Tokenization

/// A grammar over the tokens of one vocabulary, with the sets of allowed tokens it has found so far.
///
/// Requests with the same grammar share it. What has been worked out once is a look-up later; what
/// is kept is bounded, and dropped as a whole when it has grown too large.
/// - Cost: a new state walks the part of the vocabulary that it allows, about a millisecond when
///   that is nearly everything; a known one, nothing.
public final class TokenAutomaton: Sendable {
  let grammar: Grammar
  let tree: VocabularyTree
  private let known: Mutex<KnownStates>

  /// Joins a grammar and a vocabulary; finds nothing out yet.
  public init(_ grammar: Grammar, _ tree: VocabularyTree) {
    self.grammar = grammar
    self.tree = tree
    known = Mutex(KnownStates())
  }

  /// The tokens that may come next, of `count` that the model has, and the work of finding them; no
  /// tokens when that is more than `limit`.
  func mask(
    _ stacks: [ReadingStack], count: Int, limit: Int = .max
  ) -> (TokenMask?, work: Int) {
    known.withLock { known in
      let state = known.state(of: stacks)
      if let mask = known.masks[state], mask.count == count { return (mask, 1) }
      let before = known.work
      let end = limit < .max - before ? before + limit : .max
      let mask = makeMask(state, count: count, until: end, &known)
      known.masks[state] = mask
      return (mask, known.work - before + 1)
    }
  }

  private func makeMask(
    _ start: Int32, count: Int, until end: Int, _ known: inout KnownStates
  ) -> TokenMask? {
    var mask = TokenMask(count: count)
    let stacks = known.stacks[Int(start)]
    if grammar.isComplete(stacks) { for token in tree.stopTokens { mask.allow(token) } }
    for mark in grammar.marks
    where !grammar.advance(stacks, over: Grammar.symbol(mark)).isEmpty {
      mask.allow(mark)
    }
    var states = [Int32](repeating: start, count: tree.maximumDepth + 1)
    var node = 0
    while node < tree.bytes.count {
      let depth = Int(tree.depths[node])
      guard known.work < end else { return nil }
      let next = known.next(states[depth - 1], tree.bytes[node], grammar)
      guard next >= 0 else {
        node = Int(tree.ends[node])
        continue
      }
      states[depth] = next
      let first = node == 0 ? 0 : Int(tree.tokenEnds[node - 1])
      for index in first..<Int(tree.tokenEnds[node]) { mask.allow(tree.tokens[index]) }
      node += 1
    }
    return mask
  }
}

/// States as numbers, where their bytes lead, and their masks.
private struct KnownStates {
  static let stateLimit = 8192
  static let unknown: Int32 = -2
  static let dead: Int32 = -1

  private var ids: [[ReadingStack]: Int32] = [:]
  private(set) var stacks: [[ReadingStack]] = []
  private var transitions: [Int32] = []  // (states, 256)
  var masks: [Int32: TokenMask] = [:]
  /// Stacks looked at so far.
  private(set) var work = 0

  /// The number of a state; void after the next call, unless that is `next`.
  mutating func state(of stacks: [ReadingStack]) -> Int32 {
    if self.stacks.count > Self.stateLimit || masks.count > 1024 { self = KnownStates() }
    return insert(stacks)
  }

  private mutating func insert(_ stacks: [ReadingStack]) -> Int32 {
    if let id = ids[stacks] { return id }
    let id = Int32(truncatingIfNeeded: self.stacks.count)
    ids[stacks] = id
    self.stacks.append(stacks)
    transitions.append(contentsOf: repeatElement(Self.unknown, count: 256))
    return id
  }

  /// Where a byte leads, `dead` when nowhere.
  mutating func next(_ state: Int32, _ byte: UInt8, _ grammar: Grammar) -> Int32 {
    let index = Int(state) << 8 | Int(byte)
    let found = transitions[index]
    if found != Self.unknown { return found }
    work += self.stacks[Int(state)].count
    let stacks = grammar.advance(self.stacks[Int(state)], over: Grammar.Symbol(byte))
    let next = stacks.isEmpty ? Self.dead : insert(stacks)
    transitions[index] = next
    return next
  }
}

/// Follows one answer through an automaton.
public struct TokenMatcher: Sendable {
  private let automaton: TokenAutomaton
  private var stacks: [ReadingStack]

  /// At the start of an answer.
  public init(_ automaton: TokenAutomaton) {
    self.automaton = automaton
    stacks = automaton.grammar.initialStacks
  }

  /// The tokens that may come next, of `count` that the model has, stop tokens among them when the
  /// answer may end; and how much work it was to find them.
  public func allowed(of count: Int) -> (TokenMask, work: Int) {
    let (mask, work) = automaton.mask(stacks, count: count)
    return (mask ?? TokenMask(count: count), work)
  }

  /// Whether the answer may end here.
  public var isComplete: Bool { automaton.grammar.isComplete(stacks) }

  /// Goes on with a token.
  ///
  /// - Returns: Whether it was allowed; if not, nothing has changed.
  public mutating func accept(_ token: TokenID) -> Bool {
    var next = stacks
    if automaton.grammar.marks.contains(token) {
      next = automaton.grammar.advance(next, over: Grammar.symbol(token))
    } else {
      let bytes = automaton.tree.bytes(of: token)
      guard !bytes.isEmpty else { return false }
      for byte in bytes { next = automaton.grammar.advance(next, over: Grammar.Symbol(byte)) }
    }
    guard !next.isEmpty else { return false }
    stacks = next
    return true
  }
}

extension TokenMatcher: TokenConstraint {
  /// Allows what may come next.
  public mutating func allowNext(
    in mask: inout TokenMask, budget: inout ConstraintBudget
  ) throws(ConstraintFailure) {
    let (allowed, work) = automaton.mask(stacks, count: mask.count, limit: budget.remaining)
    try budget.spend(work)
    if let allowed { mask = allowed }
  }

  /// Goes on with the token that was chosen.
  public mutating func accept(
    _ token: TokenID, budget: inout ConstraintBudget
  ) throws(ConstraintFailure) {
    try budget.spend(stacks.count)
    guard accept(token) else {
      throw ConstraintFailure("token \(token) does not fit the response format")
    }
  }
}
