/// The key-value pairs of a GGUF file, read with the type that the reader expects.
///
/// Every getter throws an error that names file and key. Any integer type is accepted where an
/// integer is meant.
public struct Metadata: Sendable {
  /// The file, for messages.
  public let file: String
  /// All keys, in the file's order.
  public private(set) var keys: [String] = []

  private var entries: [String: Entry] = [:]

  private struct Entry: Sendable {
    let value: MetadataValue
    let byte: Int
  }

  init(file: String) { self.file = file }

  /// Adds a pair; false when the key is there already.
  mutating func insert(_ key: String, _ value: MetadataValue, at byte: Int) -> Bool {
    guard entries.updateValue(Entry(value: value, byte: byte), forKey: key) == nil else {
      return false
    }
    keys.append(key)
    return true
  }

  /// The value of a key, whatever its type.
  public subscript(key: String) -> MetadataValue? { entries[key]?.value }

  /// Whether the key exists.
  public func hasKey(_ key: String) -> Bool { entries[key] != nil }

  /// An error about a key's value, at its place in the file.
  public func error(
    _ key: String, _ problem: String, remedy: String = "convert the file again"
  ) -> ModelFileError {
    ModelFileError(file: file, byte: entries[key]?.byte, "\(key) \(problem)", remedy: remedy)
  }

  // MARK: Values that must be there

  /// An integer of any width and sign.
  public func integer(_ key: String) throws(ModelFileError) -> Int {
    try require(integer(ifPresent: key), key)
  }

  /// A finite number.
  public func float(_ key: String) throws(ModelFileError) -> Float {
    try require(float(ifPresent: key), key)
  }

  /// A truth value.
  public func bool(_ key: String) throws(ModelFileError) -> Bool {
    try require(bool(ifPresent: key), key)
  }

  /// A text.
  public func string(_ key: String) throws(ModelFileError) -> String {
    try require(string(ifPresent: key), key)
  }

  /// An array of byte strings.
  public func strings(_ key: String) throws(ModelFileError) -> StringArray {
    try require(strings(ifPresent: key), key)
  }

  /// An array of integers of any width and sign.
  public func integers(_ key: String) throws(ModelFileError) -> [Int] {
    try require(integers(ifPresent: key), key)
  }

  /// An array of numbers.
  public func floats(_ key: String) throws(ModelFileError) -> [Float] {
    try require(floats(ifPresent: key), key)
  }

  // MARK: Values that may be absent; a wrong type is an error all the same

  /// An integer of any width and sign, or nil when the key is absent.
  public func integer(ifPresent key: String) throws(ModelFileError) -> Int? {
    guard let value = self[key] else { return nil }
    guard let integer = value.integer else { throw mismatch(key, value, "an integer") }
    return integer
  }

  /// A finite number, or nil when the key is absent.
  public func float(ifPresent key: String) throws(ModelFileError) -> Float? {
    guard let value = self[key] else { return nil }
    guard let float = value.finiteFloat else { throw mismatch(key, value, "a finite number") }
    return float
  }

  /// A truth value, or nil when the key is absent.
  public func bool(ifPresent key: String) throws(ModelFileError) -> Bool? {
    guard let value = self[key] else { return nil }
    guard case .bool(let bool) = value else { throw mismatch(key, value, "a truth value") }
    return bool
  }

  /// A text, or nil when the key is absent.
  public func string(ifPresent key: String) throws(ModelFileError) -> String? {
    guard let value = self[key] else { return nil }
    guard case .string(let bytes) = value else { throw mismatch(key, value, "a string") }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw error(key, "is not valid UTF-8")
    }
    return text
  }

  /// An array of byte strings, or nil when the key is absent.
  public func strings(ifPresent key: String) throws(ModelFileError) -> StringArray? {
    guard let value = self[key] else { return nil }
    guard case .strings(let strings) = value else {
      throw mismatch(key, value, "an array of strings")
    }
    return strings
  }

  /// An array of integers of any width and sign, or nil when the key is absent.
  public func integers(ifPresent key: String) throws(ModelFileError) -> [Int]? {
    guard let value = self[key] else { return nil }
    guard case .numbers(let numbers) = value else {
      throw mismatch(key, value, "an array of integers")
    }
    let integers = numbers.compactMap(\.integer)
    guard integers.count == numbers.count else {
      throw mismatch(key, value, "an array of integers")
    }
    return integers
  }

  /// An array of finite numbers, or nil when the key is absent.
  public func floats(ifPresent key: String) throws(ModelFileError) -> [Float]? {
    guard let value = self[key] else { return nil }
    guard case .numbers(let numbers) = value else {
      throw mismatch(key, value, "an array of numbers")
    }
    let floats = numbers.compactMap(\.finiteFloat)
    guard floats.count == numbers.count else {
      throw mismatch(key, value, "an array of finite numbers")
    }
    return floats
  }

  private func require<T>(_ value: T?, _ key: String) throws(ModelFileError) -> T {
    guard let value else {
      throw ModelFileError(
        file: file, "the key \(key) is missing", remedy: Remedy.convertAgain)
    }
    return value
  }

  private func mismatch(_ key: String, _ value: MetadataValue, _ want: String) -> ModelFileError {
    error(key, "is \(value.kind), not \(want)")
  }
}

extension MetadataValue {
  fileprivate var finiteFloat: Float? {
    let number: Float
    switch self {
    case .float(let value): number = Float(value)
    case .unsigned(let value): number = Float(value)
    case .signed(let value): number = Float(value)
    default: return nil
    }
    return number.isFinite ? number : nil
  }
}
