import Tokenization

/// A compiled grammar: rules that are automata over bytes and marks and may call one another.
///
/// A text is recognised by a set of stacks of states, one stack per way to read it so far. Every
/// state can be finished within `depthLimit` nested objects and arrays, so that a text which has
/// been accepted so far can always be completed. Built by `GrammarBuilder`.
public struct Grammar: Sendable {
  /// Objects and arrays within one another, as many as `JSONValue` reads.
  public static let depthLimit = 64

  /// What a state reads next: a byte, or 256 plus the id of a token without text.
  typealias Symbol = UInt32

  /// Reads one of a range of symbols.
  struct Edge: Sendable {
    let first: Symbol
    let last: Symbol
    let target: Int32
  }

  /// Reads what a rule reads, and goes on at `target`.
  struct Call: Sendable {
    let start: Int32
    let target: Int32
  }

  struct State: Sendable {
    var edges: [Edge] = []
    var calls: [Call] = []
    /// Whether the rule may end here.
    var isFinal = false
    /// Whether it belongs to a rule that reads an object or an array.
    var isInContainer = false
    /// How many further levels of nesting are needed at least to end the rule.
    var neededDepth: Int32 = .max

    /// Whether nothing but the end of the rule can follow.
    var onlyEnds: Bool { isFinal && edges.isEmpty && calls.isEmpty }
  }

  let states: [State]
  let start: Int32
  /// The tokens without text that occur in it, ascending.
  let marks: [TokenID]

  /// The symbol of a token without text.
  static func symbol(_ mark: TokenID) -> Symbol { 256 + Symbol(bitPattern: mark) }
}

/// One way to read a text so far: the states to return to, and the current one last.
struct ReadingStack: Hashable, Sendable {
  var states: [Int32]
}

extension Grammar {
  /// The most ways to read one text that are followed; further ones are given up.
  static let stackLimit = 512

  /// How every text starts.
  var initialStacks: [ReadingStack] { [ReadingStack(states: [start])] }

  /// Whether the text may end here.
  func isComplete(_ stacks: [ReadingStack]) -> Bool {
    stacks.contains { $0.states.allSatisfy { states[Int($0)].isFinal } }
  }

  /// All ways to go on with a symbol; none when it is not allowed.
  func advance(_ stacks: [ReadingStack], over symbol: Symbol) -> [ReadingStack] {
    var found = FoundStacks()
    for stack in stacks { advance(stack.states, over: symbol, into: &found) }
    return found.all
  }

  private struct FoundStacks {
    var all: [ReadingStack] = []
    var seen: Set<ReadingStack> = []

    mutating func insert(_ stack: ReadingStack) {
      guard all.count < Grammar.stackLimit, seen.insert(stack).inserted else { return }
      all.append(stack)
    }
  }

  /// No rule starts by calling itself, so calls end; returns shorten the stack.
  private func advance(
    _ stack: [Int32], over symbol: Symbol, into found: inout FoundStacks
  ) {
    guard let top = stack.last, found.all.count < Self.stackLimit else { return }
    let state = states[Int(top)]
    for edge in state.edges where edge.first <= symbol && symbol <= edge.last {
      if let next = replacingTop(of: stack, with: edge.target) { found.insert(next) }
    }
    for call in state.calls {
      var inner = stack
      inner[inner.count - 1] = call.target
      if inner.count > 1, states[Int(call.target)].onlyEnds { inner.removeLast() }
      guard canEnd(call, under: inner) else { continue }
      inner.append(call.start)
      advance(inner, over: symbol, into: &found)
    }
    if state.isFinal, stack.count > 1 {
      advance(Array(stack.dropLast()), over: symbol, into: &found)
    }
  }

  /// The stack after an edge, without states that only return; nil when it could not be completed.
  private func replacingTop(of stack: [Int32], with target: Int32) -> ReadingStack? {
    var next = stack
    next[next.count - 1] = target
    guard depth(of: next[...]) + Int(states[Int(target)].neededDepth) <= Self.depthLimit else {
      return nil
    }
    while next.count > 1, let top = next.last, states[Int(top)].onlyEnds { next.removeLast() }
    return ReadingStack(states: next)
  }

  /// Whether both the call and what follows it can be completed within the depth limit.
  private func canEnd(_ call: Call, under stack: [Int32]) -> Bool {
    let depth = depth(of: stack[...])
    let inside = levels(call.start) + Int(states[Int(call.start)].neededDepth)
    return depth + max(inside, Int(states[Int(call.target)].neededDepth)) <= Self.depthLimit
  }

  private func levels(_ state: Int32) -> Int { states[Int(state)].isInContainer ? 1 : 0 }

  private func depth(of stack: ArraySlice<Int32>) -> Int {
    stack.reduce(0) { $0 + levels($1) }
  }
}

extension Grammar {
  /// Whether the grammar reads exactly these bytes.
  package func accepts(_ text: some Sequence<UInt8>) -> Bool {
    var stacks = initialStacks
    for byte in text {
      stacks = advance(stacks, over: Symbol(byte))
      if stacks.isEmpty { return false }
    }
    return isComplete(stacks)
  }
}

extension Grammar: CustomStringConvertible {
  /// Its size.
  public var description: String { "a grammar of \(states.count) states" }
}
