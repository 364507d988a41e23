/// Where the scheduler asks for room; the engine's is made of pages, a test's may be a number.
package protocol SequenceMemory: AnyObject {
  /// Tokens per page.
  var pageSize: Int { get }
  /// Pages that are free, or would be if the prefixes that nobody uses were forgotten.
  var availablePages: Int { get }

  /// Gives a sequence a cache, with the whole pages of it that are known already.
  ///
  /// - Parameters:
  ///   - sequence: One without a cache.
  ///   - leader: A running sequence with the same prompt, if there is one.
  /// - Returns: Tokens that need not be run; fewer than the sequence has.
  func begin(_ sequence: SequenceID, sharing leader: SequenceID?) -> Int
  /// Pages that a sequence holds.
  func pageCount(of sequence: SequenceID) -> Int
  /// Makes room for `count` tokens after those that have been run.
  ///
  /// - Returns: For how many of them there is room.
  func reserve(_ sequence: SequenceID, upTo count: Int) -> Int
  /// Takes the cache of a sequence away.
  func release(_ sequence: SequenceID)
}
