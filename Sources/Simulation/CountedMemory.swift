package import Inference

/// Pages for keys and values that are only counted.
package final class CountedMemory: SequenceMemory {
  package let pageSize: Int
  package private(set) var availablePages: Int
  private var pages: [SequenceID: Int] = [:]
  private var tokens: [SequenceID: Int] = [:]  // that have been run

  /// Room for `tokenCount` tokens, in pages of 64.
  package init(tokenCount: Int, pageSize: Int = 64) {
    self.pageSize = pageSize
    availablePages = max(tokenCount / pageSize, 1)
  }

  package func begin(_ sequence: SequenceID, sharing leader: SequenceID?) -> Int {
    pages[sequence] = 0
    tokens[sequence] = 0
    return 0
  }

  package func pageCount(of sequence: SequenceID) -> Int { pages[sequence] ?? 0 }

  package func reserve(_ sequence: SequenceID, upTo count: Int) -> Int {
    let held = pages[sequence] ?? 0
    let done = tokens[sequence] ?? 0
    let granted = min(count, (held + availablePages) * pageSize - done)
    guard granted > 0 else { return 0 }
    let needed = max(0, (done + granted + pageSize - 1) / pageSize - held)
    pages[sequence] = held + needed
    availablePages -= needed
    return granted
  }

  package func release(_ sequence: SequenceID) {
    availablePages += pages.removeValue(forKey: sequence) ?? 0
    tokens[sequence] = nil
  }

  /// Takes note that tokens were run.
  func run(_ sequence: SequenceID, count: Int) { tokens[sequence, default: 0] += count }

  /// Tokens of a sequence that have been run.
  func length(of sequence: SequenceID) -> Int { tokens[sequence] ?? 0 }
}
