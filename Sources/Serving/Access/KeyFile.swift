import Foundation

/// The file of API keys: one line each, with the name, the digest and the limits.
///
/// ```
/// # name  sha256  limits
/// alice   9f86…   created=2026-01-31 requests-per-minute=60 tokens-per-minute=20000
/// ```
///
/// Whoever can read it cannot use a key, but learns who has one and can try digests of weak keys
/// that were not made here: the file must be its owner's alone (mode 600).
public struct KeyFile: Sendable {
  /// The path.
  public let path: String
  /// The keys, in the order of the file.
  public private(set) var keys: [APIKey]

  /// The most keys that a file may have.
  public static let maximumCount = 10_000
  private static let maximumByteCount = 4 << 20
  private static let title =
    "# API keys of conclave: name, SHA-256 of the key, limits. See `conclave keys api --help`.\n"

  /// How files of machines' keys begin, which would be replaced and be lost.
  private static let otherTitles = [
    "# The key of one machine of a conclave cluster", "# Keys that are let in: public key, name",
  ]
  /// Words of a key pair, whose lines look like those of API keys.
  private static let reservedNames: Set<String> = ["public", "secret"]

  /// Reads a file.
  ///
  /// - Throws: `KeyFileError` that names the line, or says who else can read the file.
  public init(reading path: String) throws(KeyFileError) {
    self.path = path
    try Self.checkMode(path)
    guard let data = FileManager.default.contents(atPath: path) else {
      throw KeyFileError("\(path): the API keys cannot be read")
    }
    guard data.count <= Self.maximumByteCount, let text = String(data: data, encoding: .utf8) else {
      throw KeyFileError("\(path): this is no file of API keys")
    }
    keys = try Self.parse(text, path: path)
  }

  /// Starts a file that does not exist yet.
  public init(new path: String) {
    self.path = path
    keys = []
  }

  /// Adds a key.
  ///
  /// - Throws: `KeyFileError` when the name is taken, or reserved.
  public mutating func add(_ key: APIKey) throws(KeyFileError) {
    try Self.checkName(key.name)
    guard !keys.contains(where: { $0.name == key.name }) else {
      throw KeyFileError("\(path) has a key for \(key.name) already; revoke it first")
    }
    keys.append(key)
  }

  private static func checkName(_ name: String) throws(KeyFileError) {
    guard !reservedNames.contains(name) else {
      throw KeyFileError("\(name) is a word of machines' keys, and no name for an API key")
    }
  }

  /// Takes a key out.
  ///
  /// - Throws: `KeyFileError` when there is none of that name.
  public mutating func remove(named name: String) throws(KeyFileError) {
    guard let index = keys.firstIndex(where: { $0.name == name }) else {
      throw KeyFileError("\(path) has no key for \(name)")
    }
    keys.remove(at: index)
  }

  /// Writes the file whole or not at all, for its owner alone; a link to a file stays.
  ///
  /// - Throws: `KeyFileError` when it cannot be written.
  public func write() throws(KeyFileError) {
    let text = Self.title + keys.map { Self.line($0) + "\n" }.joined()
    let place = Self.target(of: path)
    let temporary = "\(place).\(UUID().uuidString)"
    let file = unsafe open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard file >= 0 else { throw KeyFileError("\(path) cannot be written; check its folder") }
    let handle = FileHandle(fileDescriptor: file, closeOnDealloc: true)
    do {
      try handle.write(contentsOf: Data(text.utf8))
      try handle.synchronize()
    } catch {
      try? FileManager.default.removeItem(atPath: temporary)
      throw KeyFileError("\(path) cannot be written; check its disk")
    }
    guard unsafe rename(temporary, place) == 0 else {
      try? FileManager.default.removeItem(atPath: temporary)
      throw KeyFileError("\(path) cannot be replaced; check its folder")
    }
  }

  /// The file that a path leads to behind all links, and the path itself where there is none.
  private static func target(of path: String) -> String {
    URL(filePath: path).resolvingSymlinksInPath().path
  }

  /// Changes whenever the file does, or a link leads to another one.
  struct Stamp: Equatable, Sendable {
    let modified: Date
    let size: Int
    let number: Int
  }

  /// The file's stamp; nil when there is no file.
  static func stamp(of path: String) -> Stamp? {
    guard let attributes = try? FileManager.default.attributesOfItem(atPath: target(of: path))
    else { return nil }
    return Stamp(
      modified: attributes[.modificationDate] as? Date ?? .distantPast,
      size: (attributes[.size] as? NSNumber)?.intValue ?? 0,
      number: (attributes[.systemFileNumber] as? NSNumber)?.intValue ?? 0)
  }

  /// Links are open to all, as those that Kubernetes makes for secrets: what counts is the file.
  private static func checkMode(_ path: String) throws(KeyFileError) {
    guard let attributes = try? FileManager.default.attributesOfItem(atPath: target(of: path)),
      let mode = (attributes[.posixPermissions] as? NSNumber)?.intValue
    else { throw KeyFileError("\(path): there is no such file; `conclave keys api new` makes one") }
    guard mode & 0o077 == 0 else {
      throw KeyFileError(
        "\(path): others can read or change the API keys (mode \(String(mode & 0o777, radix: 8)));"
          + " run chmod 600 on it")
    }
  }
}

// MARK: - Lines

extension KeyFile {
  package static func parse(_ text: String, path: String) throws(KeyFileError) -> [APIKey] {
    guard !otherTitles.contains(where: { text.hasPrefix($0) }) else {
      throw KeyFileError("\(path): these are keys of machines, not API keys; give another file")
    }
    var keys: [APIKey] = []
    var names: Set<String> = []
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
    {
      let words = line.split { $0 == " " || $0 == "\t" || $0 == "\r" }
      guard let first = words.first, !first.hasPrefix("#") else { continue }
      do throws(KeyFileError) {
        let key = try key(words)
        try checkName(key.name)
        guard names.insert(key.name).inserted else {
          throw KeyFileError("there are two keys for \(key.name)")
        }
        keys.append(key)
        guard keys.count <= maximumCount else {
          throw KeyFileError("there are more than \(maximumCount) keys")
        }
      } catch {
        throw KeyFileError("\(path), line \(index + 1): \(error.description)")
      }
    }
    return keys
  }

  private static func key(_ words: [Substring]) throws(KeyFileError) -> APIKey {
    guard words.count >= 2, let digest = bytes(words[1]) else {
      throw KeyFileError("a key is a name and the 64 digits of its SHA-256, then its limits")
    }
    var key = try APIKey(name: String(words[0]), digest: digest)
    for word in words.dropFirst(2) {
      let parts = word.split(separator: "=", maxSplits: 1)
      guard parts.count == 2 else {
        throw KeyFileError("\"\(word.prefix(40))\" is not understood; limits look like NAME=VALUE")
      }
      try set(String(parts[0]), String(parts[1]), of: &key)
    }
    return key
  }

  private static func set(
    _ name: String, _ value: String, of key: inout APIKey
  ) throws(KeyFileError) {
    switch name {
    case "created": key.created = value
    case "requests-per-minute": key.limits.requestsPerMinute = try count(value, name)
    case "tokens-per-minute": key.limits.tokensPerMinute = try count(value, name)
    case "tokens-per-day": key.limits.tokensPerDay = try count(value, name)
    case "priority":
      guard let priority = APIKey.Priority(rawValue: value) else {
        throw KeyFileError("priority must be low, normal or high, not \(value.prefix(40))")
      }
      key.limits.priority = priority
    default: throw KeyFileError("\(name.prefix(40)) is not known here")
    }
  }

  private static func count(_ value: String, _ name: String) throws(KeyFileError) -> Int {
    guard let count = Int(value), (1...1_000_000_000_000).contains(count) else {
      throw KeyFileError("\(name) must be a number from 1, not \(value.prefix(40))")
    }
    return count
  }

  /// The bytes of 64 hexadecimal digits.
  private static func bytes(_ text: Substring) -> [UInt8]? {
    let digits = text.utf8.compactMap { Character(UnicodeScalar($0)).hexDigitValue }
    guard text.utf8.count == 64, digits.count == 64 else { return nil }
    return stride(from: 0, to: 64, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
  }

  private static func line(_ key: APIKey) -> String {
    let digest = key.digest.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    var words = [key.name, digest]
    if let created = key.created { words.append("created=\(created)") }
    if let count = key.limits.requestsPerMinute { words.append("requests-per-minute=\(count)") }
    if let count = key.limits.tokensPerMinute { words.append("tokens-per-minute=\(count)") }
    if let count = key.limits.tokensPerDay { words.append("tokens-per-day=\(count)") }
    if key.limits.priority != .normal { words.append("priority=\(key.limits.priority.rawValue)") }
    return words.joined(separator: " ")
  }
}

/// What is wrong with a file of keys, and what to do, in one line.
public struct KeyFileError: Error, Equatable, CustomStringConvertible, Sendable {
  /// The line.
  public let description: String

  init(_ description: String) { self.description = description }
}
