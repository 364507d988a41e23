/// Ends a stream of text before the first stop string.
///
/// Text that may be the start of a stop string is held back. The result does not depend on how the
/// text is cut into calls; of stop strings that end at one place the longest counts. Cost: one step
/// per byte and stop string (Knuth-Morris-Pratt).
public struct StopStrings: Sendable {
  private var matchers: [Matcher]
  private var held: [UInt8] = []
  private var hasStopped = false

  /// Watches for any of `strings`; empty ones are ignored.
  public init(_ strings: [String]) {
    matchers = strings.filter { !$0.isEmpty }.map { Matcher(Array($0.utf8)) }
  }

  /// The text that is certain, and whether a stop string has been found; after that all is dropped.
  public mutating func append(_ text: String) -> (emit: String, stopped: Bool) {
    guard !hasStopped else { return ("", true) }
    guard !matchers.isEmpty else { return (text, false) }
    for byte in text.utf8 {
      held.append(byte)
      var longest = 0
      for index in matchers.indices where matchers[index].advance(byte) {
        longest = max(longest, matchers[index].pattern.count)
      }
      if longest > 0 {
        hasStopped = true
        defer { held.removeAll() }
        return (String(decoding: held.dropLast(longest), as: UTF8.self), true)
      }
    }
    let ready = held.count - (matchers.map(\.matched).max() ?? 0)
    defer { held.removeFirst(ready) }
    return (String(decoding: held[..<ready], as: UTF8.self), false)
  }

  /// What was held back, when the stream ends without a stop string.
  public mutating func finish() -> String {
    defer { held.removeAll() }
    for index in matchers.indices { matchers[index].reset() }
    return String(decoding: held, as: UTF8.self)
  }
}

/// One stop string and how much of it the text's end matches.
private struct Matcher: Sendable {
  let pattern: [UInt8]
  private let fallbacks: [Int]  // (pattern): the longest proper border of each prefix
  private(set) var matched = 0

  init(_ pattern: [UInt8]) {
    self.pattern = pattern
    var fallbacks = [0]
    var border = 0
    for byte in pattern.dropFirst() {
      while border > 0, pattern[border] != byte { border = fallbacks[border - 1] }
      if pattern[border] == byte { border += 1 }
      fallbacks.append(border)
    }
    self.fallbacks = fallbacks
  }

  /// Forgets the text so far.
  mutating func reset() { matched = 0 }

  /// Takes one byte; whether the pattern is complete now.
  mutating func advance(_ byte: UInt8) -> Bool {
    while matched > 0, pattern[matched] != byte { matched = fallbacks[matched - 1] }
    if pattern[matched] == byte { matched += 1 }
    return matched == pattern.count
  }
}
