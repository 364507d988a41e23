import Tokenization

/// The last tokens of a sequence and how often each is among them.
struct TokenWindow: Sendable {
  private let capacity: Int
  private var recent: [TokenID]  // a ring once `capacity` tokens have been seen
  private var oldest = 0
  private var counts: [Int32]  // (vocabulary)

  /// Remembers `capacity` tokens, at first the last ones of `prompt`; `expected` more will follow.
  init(capacity: Int, vocabularySize: Int, prompt: [TokenID], expected: Int) {
    self.capacity = capacity
    recent = []
    recent.reserveCapacity(min(capacity, prompt.count + expected))
    counts = Array(repeating: 0, count: vocabularySize)
    for token in prompt.suffix(capacity) { append(token) }
  }

  /// Adds the newest token and forgets the oldest one if the window is full.
  mutating func append(_ token: TokenID) {
    guard counts.indices.contains(Int(token)) else { return }
    counts[Int(token)] += 1
    if recent.count < capacity {
      recent.append(token)
    } else {
      counts[Int(recent[oldest])] -= 1
      recent[oldest] = token
      oldest = (oldest + 1) % capacity
    }
  }

  /// Calls `body` once for each different token, with its count.
  mutating func forEachDistinct(_ body: (Int, Int32) -> Void) {
    for token in recent where counts[Int(token)] > 0 {
      body(Int(token), counts[Int(token)])
      counts[Int(token)].negate()  // marks it as done
    }
    for token in recent where counts[Int(token)] < 0 { counts[Int(token)].negate() }
  }
}
