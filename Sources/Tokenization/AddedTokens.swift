internal import ModelFiles

/// Finds the tokens that are matched in raw text, before it is cut into pieces.
///
/// Leftmost first, the longest of those that start at one place. Control tokens match only when
/// asked for; user-defined ones always.
struct AddedTokens: Sendable {
  private var children: IntegerTable  // node << 8 | byte → node
  private var tokens: [TokenID] = [-1]  // of the text that ends at each node, -1: none
  private var isControl: [Bool] = [false]
  private var starts = [Bool](repeating: false, count: 256)

  /// The added tokens of a vocabulary.
  init(_ vocabulary: Vocabulary) {
    let added = vocabulary.kinds.indices.filter { index in
      switch vocabulary.kinds[index] {
      case .control, .unknown, .userDefined: !vocabulary.texts[index].isEmpty
      case .normal, .unused, .byte: false
      }
    }
    children = IntegerTable(capacity: added.reduce(0) { $0 + vocabulary.texts[$1].count })
    for index in added {
      insert(
        vocabulary.texts[index], TokenID(truncatingIfNeeded: index),
        isControl: vocabulary.kinds[index] != .userDefined)
    }
  }

  private mutating func insert(_ text: ArraySlice<UInt8>, _ id: TokenID, isControl control: Bool) {
    var node = 0
    for byte in text {
      if let child = children[Self.key(node, byte)] {
        node = Int(child)
      } else {
        _ = children.insert(Self.key(node, byte), Int32(truncatingIfNeeded: tokens.count))
        node = tokens.count
        tokens.append(-1)
        isControl.append(false)
      }
    }
    if let first = text.first { starts[Int(first)] = true }
    guard tokens[node] < 0 else { return }
    tokens[node] = id
    isControl[node] = control
  }

  /// Calls `body` with each stretch between added tokens, and with each of these.
  func split(
    _ text: [UInt8], specials: Bool, _ body: (_ stretch: Range<Int>, _ token: TokenID?) -> Void
  ) {
    var start = 0
    var position = 0
    while position < text.count {
      guard starts[Int(text[position])],
        let (token, end) = longestMatch(text, position, specials: specials)
      else {
        position += 1
        continue
      }
      body(start..<position, token)
      (start, position) = (end, end)
    }
    body(start..<text.count, nil)
  }

  private func longestMatch(
    _ text: [UInt8], _ start: Int, specials: Bool
  ) -> (token: TokenID, end: Int)? {
    var longest: (token: TokenID, end: Int)?
    var node = 0
    var position = start
    while position < text.count, let child = children[Self.key(node, text[position])] {
      node = Int(child)
      position += 1
      if tokens[node] >= 0, specials || !isControl[node] { longest = (tokens[node], position) }
    }
    return longest
  }

  private static func key(_ node: Int, _ byte: UInt8) -> UInt64 {
    UInt64(truncatingIfNeeded: node) << 8 | UInt64(byte)
  }
}
