import ArgumentParser
import Tokenization

/// Token ids on the command line: `1,2,3`.
struct TokenList: ExpressibleByArgument {
  let tokens: [TokenID]

  /// Nil unless the text is one or more numbers, separated by commas or spaces.
  init?(argument: String) {
    let parts = argument.split(omittingEmptySubsequences: true) { $0 == "," || $0.isWhitespace }
    let tokens = parts.compactMap { TokenID($0) }
    guard !tokens.isEmpty, tokens.count == parts.count else { return nil }
    self.tokens = tokens
  }
}
