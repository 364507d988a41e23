/// The file that says whose keys are let in: a line each, with the public key and a name.
///
/// ```
/// 6f0c…  rack1  added=2026-01-31
/// ```
///
/// The keys are no secrets, but whoever can write the file lets himself in: like a key pair it has
/// to be its owner's alone.
public struct AllowListFile: Sendable, Equatable {
  /// A key that is let in.
  public struct Entry: Sendable, Equatable {
    /// The key.
    public let key: PublicKey
    /// What lists and logs call its owner.
    public let name: String
    /// The day on which it was added, as in 2026-01-31.
    public let added: String?

    /// Names a key.
    ///
    /// - Throws: `KeyError` when the name cannot stand in a file and a log.
    public init(key: PublicKey, name: String, added: String? = nil) throws(KeyError) {
      guard Self.isWord(name) else {
        throw KeyError(
          "\"\(name.prefix(80))\" is no name for a key: use 1 to 64 letters, digits and . _ @ -")
      }
      self.key = key
      self.name = name
      self.added = added
    }

    fileprivate static func isWord(_ text: some StringProtocol) -> Bool {
      (1...64).contains(text.utf8.count)
        && text.unicodeScalars.allSatisfy {
          $0.isASCII
            && ($0.properties.isAlphabetic || $0.properties.numericType != nil
              || "._@-".unicodeScalars.contains($0))
        }
    }
  }

  /// The most keys that a file may have.
  public static let maximumCount = 10_000
  private static let maximumByteCount = 2 << 20
  private static let title =
    "# Keys that are let in: public key, name. See `conclave keys --help`.\n"

  /// The path.
  public let path: String
  /// The keys, in the order of the file.
  public private(set) var entries: [Entry] = []
  private var names: [PublicKey: String] = [:]
  private var takenNames: Set<String> = []

  /// Starts a file that does not exist yet.
  public init(new path: String) { self.path = path }

  /// Reads a file.
  ///
  /// - Throws: `KeyError` that names the line, or says who else can read the file.
  public init(reading path: String) throws(KeyError) {
    self.path = path
    let text = try PrivateFile.read(path, maximumByteCount: Self.maximumByteCount)
    try parse(text)
  }

  /// Takes the keys from a file's text; `path` is for errors.
  package init(parsing text: String, path: String) throws(KeyError) {
    self.path = path
    try parse(text)
  }

  /// Whether there is a file at the path already.
  public static func exists(_ path: String) -> Bool { PrivateFile.stamp(of: path) != nil }

  private mutating func parse(_ text: String) throws(KeyError) {
    let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
    for (index, line) in lines.enumerated() {
      let words = line.split(whereSeparator: \.isWhitespace)
      guard let first = words.first, !first.hasPrefix("#") else { continue }
      do throws(KeyError) {
        try add(Self.entry(words))
      } catch {
        throw KeyError("\(path), line \(index + 1): \(error)")
      }
    }
  }

  private static func entry(_ words: [Substring]) throws(KeyError) -> Entry {
    guard words.count >= 2 else { throw KeyError("a line needs a public key and a name") }
    var added: String?
    for word in words.dropFirst(2) {
      let day = word.dropFirst("added=".count)
      guard word.hasPrefix("added="), Entry.isWord(day), added == nil else {
        throw KeyError("\"\(word.prefix(40))\" is not understood")
      }
      added = String(day)
    }
    return try Entry(key: PublicKey(words[0]), name: String(words[1]), added: added)
  }

  /// Adds a key.
  ///
  /// - Throws: `KeyError` when the name or the key is there already.
  public mutating func add(_ entry: Entry) throws(KeyError) {
    if let known = names[entry.key] {
      throw KeyError("the key \(entry.key.brief)… is let in already, as \(known)")
    }
    guard !takenNames.contains(entry.name) else {
      throw KeyError(
        "there is a key for \(entry.name) already; choose another name, or revoke that one first")
    }
    guard entries.count < Self.maximumCount else {
      throw KeyError("more than \(Self.maximumCount) keys are too many for one file")
    }
    entries.append(entry)
    names[entry.key] = entry.name
    takenNames.insert(entry.name)
  }

  /// Takes a key out, by its name or by itself.
  ///
  /// - Throws: `KeyError` when there is no such.
  public mutating func remove(_ text: String) throws(KeyError) -> Entry {
    let index = entries.firstIndex { $0.name == text || "\($0.key)" == text.lowercased() }
    guard let index else { throw KeyError("\(path) has no key for \(text.prefix(80))") }
    let entry = entries.remove(at: index)
    names[entry.key] = nil
    takenNames.remove(entry.name)
    return entry
  }

  /// Writes the file whole or not at all, for its owner alone.
  ///
  /// - Throws: `KeyError` when it cannot be written.
  public func write() throws(KeyError) {
    let lines = entries.map { entry in
      "\(entry.key) \(entry.name)" + (entry.added.map { " added=\($0)" } ?? "") + "\n"
    }
    try PrivateFile.write(Self.title + lines.joined(), to: path, replaces: true)
  }
}
