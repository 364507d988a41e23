package import Tokenization

/// Guesses how a text goes on: as it did after the last place that reads like its end.
///
/// - Source: Saxena, "Prompt lookup decoding" (2023). Costs a pass over the tokens, some microseconds.
package struct PromptLookup: Sendable, Equatable {
  /// Fewer equal tokens are chance.
  package static let fewestEqual = 2
  /// More equal tokens say no more.
  package static let mostEqual = 6
  /// How far back a text is searched, in tokens.
  static let reach = 1 << 15

  /// The guess, at most as long as asked for.
  package private(set) var tokens: [TokenID]
  /// How many tokens before it were equal.
  package let equalCount: Int

  /// Searches `text` for the longest repetition of its end, the latest of several; nil: none.
  ///
  /// Where the repetition runs into the end itself, the guess goes round in circles as the text does.
  package init?(after text: Span<TokenID>, most count: Int) {
    let last = text.count - 1
    guard count > 0, last >= Self.fewestEqual else { return nil }
    var best = (place: -1, equal: Self.fewestEqual - 1)
    for place in stride(from: last - 1, through: max(last - Self.reach, 1), by: -1)
    where text[place] == text[last] && text[place - 1] == text[last - 1] {
      var equal = 2
      while equal < Self.mostEqual, place >= equal, text[place - equal] == text[last - equal] {
        equal += 1
      }
      if equal > best.equal { best = (place, equal) }
      if equal == Self.mostEqual { break }
    }
    guard best.place >= 0 else { return nil }
    equalCount = best.equal
    let period = last - best.place
    tokens = []
    tokens.reserveCapacity(count)
    for index in 0..<count { tokens.append(text[best.place + 1 + index % period]) }
  }

  /// Drops what follows the first `count` tokens.
  mutating func shorten(to count: Int) {
    if tokens.count > count { tokens.removeSubrange(max(count, 0)...) }
  }

  /// Drops the first of `ends` and what follows it.
  mutating func cut(at ends: Set<TokenID>) {
    if let end = tokens.firstIndex(where: ends.contains) { shorten(to: end) }
  }
}
