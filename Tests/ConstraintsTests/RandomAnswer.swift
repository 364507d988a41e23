import Constraints
import Inference
import Foundation
import ModelFiles
import TestSupport
import Tokenization

/// The demo model's tokens.
enum Vocabulary {
  static let tokenizer: Tokenizer = {
    do {
      return try Tokenizer(ModelArchive.open(Fixtures.demoModel))
    } catch {
      fatalError("\(error)")
    }
  }()
  static let demo = VocabularyTree(tokenizer)
  static let count = tokenizer.vocabularySize + 3
}

struct SeededRandom: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
    return value ^ (value >> 31)
  }
}

/// An answer of tokens that are drawn from those allowed.
struct RandomAnswer {
  private(set) var bytes: [UInt8] = []
  private(set) var hasEnded = false
  private(set) var isStuck = false
  private var matcher: TokenMatcher

  init(_ automaton: TokenAutomaton) { matcher = TokenMatcher(automaton) }

  var text: String { String(decoding: bytes, as: UTF8.self) }

  /// Draws tokens, at most that many, until one ends the answer.
  mutating func write(tokens count: Int, _ random: inout SeededRandom) {
    for _ in 0..<count where !hasEnded && !isStuck {
      let allowed = allowedTokens()
      guard let token = allowed.randomElement(using: &random) else {
        isStuck = true
        return
      }
      take(token)
    }
  }

  /// Takes what closes brackets and strings rather than what opens them, until the answer ends.
  mutating func close(_ random: inout SeededRandom) {
    // What patterns of the tests wait for; a number ends after a digit.
    let filling = Array("0abcAx@. é-:TZ".utf8)
    for _ in 0..<10_000 where !hasEnded && !isStuck {
      let allowed = allowedTokens()
      let stop = allowed.first { Vocabulary.tokenizer.stopTokens.contains($0) }
      // Now and then, since a string without end may go on with what closes brackets, too.
      let brackets = Bool.random(using: &random) ? "}]:," : ""
      let order = Array("\"\(brackets)".utf8) + filling.shuffled(using: &random)
      let closing = order.lazy.compactMap { byte in
        allowed.first { Vocabulary.tokenizer.bytes(of: $0) == [byte] }
      }.first
      guard let token = stop ?? closing ?? allowed.randomElement(using: &random) else {
        isStuck = true
        return
      }
      take(token)
    }
  }

  private func allowedTokens() -> [TokenID] {
    let (mask, _) = matcher.allowed(of: Vocabulary.count)
    return (0..<TokenID(Vocabulary.count)).filter(mask.contains)
  }

  private mutating func take(_ token: TokenID) {
    if Vocabulary.tokenizer.stopTokens.contains(token) {
      hasEnded = true
    } else {
      bytes += Vocabulary.tokenizer.bytes(of: token)
      if !matcher.accept(token) { isStuck = true }
    }
  }
}
