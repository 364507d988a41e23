/// A number of equal pages for keys and values, each shared by any number of sequences.
///
/// A full page never changes, so sequences that start alike share the pages of what they have in
/// common. Used by one thread at a time.
public protocol CachePool: AnyObject {
  /// The keys and values of one sequence in this pool.
  associatedtype Cache: SequenceCache
  /// The name of a page.
  typealias Page = Cache.Page

  /// Tokens per page.
  static var pageTokens: Int { get }
  /// Pages in all.
  var pageCount: Int { get }
  /// Bytes of a page.
  var bytesPerPage: Int { get }
  /// Pages that nobody holds.
  var freePageCount: Int { get }

  /// A cache without tokens.
  func makeCache() -> Cache
  /// A cache that starts with whole pages which others hold, too; it retains them.
  func makeCache(sharing pages: [Page]) -> Cache
  /// A page with whatever `fill` writes; nil when none is free, or `fill` says that it failed.
  func takePage(filling fill: (inout MutableRawSpan) -> Bool) -> Page?
  /// Lends the bytes of a page that somebody holds.
  func withBytes(of page: Page, _ body: (RawSpan) -> Void)
  /// Holds a page once more.
  func retain(_ page: Page)
  /// Lets a page go; it is free when nobody holds it any more.
  func release(_ page: Page)
}

/// The keys and values of one sequence, as far as the engine handles them.
///
/// Its pages are released with it.
public protocol SequenceCache: AnyObject {
  /// The name of a page.
  associatedtype Page: Sendable

  /// How many tokens are stored.
  var length: Int { get }
  /// The pages in the order of their tokens, reserved ones included.
  var pages: [Page] { get }
  /// How many they are.
  var pageCount: Int { get }
  /// Makes sure that `count` more tokens have room.
  ///
  /// - Throws: When the pool has too few free pages; then nothing has changed.
  func reserve(_ count: Int) throws
  /// Forgets all but the first `length` tokens and releases the pages behind them.
  func truncate(to length: Int)
}
