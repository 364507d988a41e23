public import Tokenization

/// Restricts which tokens may come next, for example to those that continue a JSON value.
///
/// A value belongs to one sequence and sees every token of its answer in order, so that it can keep
/// its state from token to token; a request carries it in its initial state. What it allows must be
/// a function of those tokens alone: a request that is run again gives the same answer.
public protocol TokenConstraint: Sendable {
  /// Allows in `mask`, which comes without any, the tokens that may come next.
  ///
  /// Stop tokens must be allowed like others where the answer may end.
  /// - Parameters:
  ///   - mask: One bit per token of the vocabulary; may be replaced by a prepared one.
  ///   - budget: To be charged with the work done, so that a hostile grammar ends with an error.
  /// - Throws: `ConstraintFailure` when the answer cannot go on.
  mutating func allowNext(
    in mask: inout TokenMask, budget: inout ConstraintBudget) throws(ConstraintFailure)

  /// Takes the token that was chosen, one of those allowed; stop tokens are not reported.
  mutating func accept(
    _ token: TokenID, budget: inout ConstraintBudget) throws(ConstraintFailure)
}

/// Why a constraint cannot be followed.
public struct ConstraintFailure: Error, Sendable, Equatable, CustomStringConvertible {
  /// One line: what went wrong, and what to do.
  public let description: String

  /// Collects the text.
  public init(_ description: String) {
    self.description = description
  }
}

/// How much work a constraint may still do for one token, in units of a state visited.
public struct ConstraintBudget: Sendable {
  /// What is left.
  public private(set) var remaining: Int

  /// A budget of `limit` units.
  public init(_ limit: Int) {
    remaining = limit
  }

  /// Takes `work` units off.
  ///
  /// - Throws: `ConstraintFailure` when less is left.
  public mutating func spend(_ work: Int) throws(ConstraintFailure) {
    guard work <= remaining else {
      remaining = 0
      throw ConstraintFailure(
        "the response format takes too much work per token; simplify its schema")
    }
    remaining -= max(work, 0)
  }
}

/// A set of tokens of a vocabulary, one bit each.
public struct TokenMask: Sendable, Equatable {
  /// Tokens of the vocabulary, model's padding included.
  public let count: Int
  /// Bit i of word w stands for token 64 · w + i; bits beyond `count` are 0.
  public private(set) var words: [UInt64]

  /// No token of `count`.
  public init(count: Int) {
    precondition(count >= 0)
    self.count = count
    words = Array(repeating: 0, count: (count + 63) / 64)
  }

  /// Adds a token; ids outside the vocabulary are ignored.
  public mutating func allow(_ token: TokenID) {
    guard token >= 0, Int(token) < count else { return }
    words[Int(token) >> 6] |= 1 << UInt64(token & 63)
  }

  /// Adds all tokens.
  public mutating func allowAll() {
    for index in words.indices { words[index] = .max }
    if count & 63 != 0, let last = words.indices.last { words[last] = 1 << UInt64(count & 63) - 1 }
  }

  /// Removes all tokens.
  public mutating func removeAll() {
    for index in words.indices { words[index] = 0 }
  }

  /// Adds the tokens of a mask of the same vocabulary.
  public mutating func formUnion(_ other: TokenMask) {
    precondition(other.count == count, "masks of different vocabularies")
    for index in words.indices { words[index] |= other.words[index] }
  }

  /// Whether a token is in the set.
  public func contains(_ token: TokenID) -> Bool {
    token >= 0 && Int(token) < count && words[Int(token) >> 6] >> UInt64(token & 63) & 1 == 1
  }

  /// Whether no token is.
  public var isEmpty: Bool { words.allSatisfy { $0 == 0 } }
}
