public import Tokenization

/// The texts of a vocabulary as a tree of bytes, so that tokens with a common beginning are checked
/// together.
///
/// The nodes lie in the order of a walk from the root, children by ascending byte; a subtree is a
/// range. About 11 bytes per node, of which DeepSeek's vocabularies have 250,000 nodes.
public struct VocabularyTree: Sendable {
  /// What ends an answer.
  public let stopTokens: Set<TokenID>

  private(set) var bytes: [UInt8] = []
  private(set) var depths: [UInt16] = []  // from 1
  private(set) var ends: [Int32] = []  // (nodes): the first node after the subtree
  private(set) var tokenEnds: [Int32] = []  // (nodes): where its tokens end in `tokens`
  private(set) var tokens: [TokenID] = []
  private var text: [UInt8] = []  // what the tokens write, one after another
  private var texts: [TokenID: Range<Int>] = [:]  // each token's part of `text`
  private(set) var maximumDepth = 0

  /// All tokens that write text, without those that end answers or only pad the vocabulary.
  public init(_ tokenizer: Tokenizer) {
    let texts = (0..<tokenizer.vocabularySize).compactMap { id -> (TokenID, [UInt8])? in
      let token = TokenID(truncatingIfNeeded: id)
      guard !tokenizer.isUnused(token), !tokenizer.stopTokens.contains(token) else { return nil }
      return (token, tokenizer.bytes(of: token))
    }
    self.init(texts, stopTokens: tokenizer.stopTokens)
  }

  /// The tokens with the bytes that they write; those without bytes are left out.
  public init(_ texts: [(token: TokenID, bytes: [UInt8])], stopTokens: Set<TokenID>) {
    self.stopTokens = stopTokens
    let sorted = texts.filter { !$0.bytes.isEmpty && $0.bytes.count < 4096 }
      .sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }
    var path: [Int] = []  // the nodes of the text before
    var previous: [UInt8] = []
    for (token, text) in sorted {
      let common = zip(previous, text).prefix { $0 == $1 }.count
      close(&path, to: common)
      for byte in text[common...] { open(byte, &path) }
      tokens.append(token)
      if let node = path.last { tokenEnds[node] = Int32(tokens.count) }
      self.texts[token] = self.text.count..<(self.text.count + text.count)
      self.text += text
      previous = text
    }
    close(&path, to: 0)
    var last: Int32 = 0  // nodes without tokens end where the node before ended
    for node in tokenEnds.indices {
      last = max(last, tokenEnds[node])
      tokenEnds[node] = last
    }
  }

  /// What a token writes; nothing for one that is not in the tree.
  func bytes(of token: TokenID) -> ArraySlice<UInt8> {
    guard let range = texts[token] else { return [] }
    return text[range]
  }

  private mutating func open(_ byte: UInt8, _ path: inout [Int]) {
    path.append(bytes.count)
    maximumDepth = max(maximumDepth, path.count)
    bytes.append(byte)
    depths.append(UInt16(truncatingIfNeeded: path.count))
    ends.append(0)
    tokenEnds.append(0)
  }

  private mutating func close(_ path: inout [Int], to depth: Int) {
    while path.count > depth, let node = path.popLast() { ends[node] = Int32(bytes.count) }
  }
}
