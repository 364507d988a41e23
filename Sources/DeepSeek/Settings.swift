/// One value of a model's settings, whichever file it came from.
package enum Setting: Equatable {
  case integer(Int)
  case float(Double)
  case bool(Bool)
  case string(String)
  case null
  case other  // an array, an object, or a number out of range
}

/// Typed, bounded reading of a model's settings; every error names the file and the key.
package struct Settings {
  package let file: String
  private let lookup: (String) -> Setting?

  /// Reads settings of `file` through `lookup`, which gives nil for absent keys.
  package init(file: String, lookup: @escaping (String) -> Setting?) {
    self.file = file
    self.lookup = lookup
  }

  /// The value of `key`; nil when it is absent or JSON null.
  func value(_ key: String) -> Setting? {
    guard let value = lookup(key), value != .null else { return nil }
    return value
  }

  func has(_ key: String) -> Bool { value(key) != nil }

  func integer(_ key: String, in range: ClosedRange<Int>) throws(ModelError) -> Int {
    guard let result = try optionalInteger(key, in: range) else { throw missing(key) }
    return result
  }

  func optionalInteger(_ key: String, in range: ClosedRange<Int>) throws(ModelError) -> Int? {
    guard let value = value(key) else { return nil }
    guard case .integer(let number) = value else { throw bad(key, "is not an integer") }
    guard range.contains(number) else {
      throw bad(key, "is \(number), not in \(range.lowerBound)...\(range.upperBound)")
    }
    return number
  }

  func float(_ key: String) throws(ModelError) -> Double {
    guard let result = try optionalFloat(key) else { throw missing(key) }
    return result
  }

  /// A finite number, written as a float or an integer.
  func optionalFloat(_ key: String) throws(ModelError) -> Double? {
    switch value(key) {
    case nil: return nil
    case .integer(let number): return Double(number)
    case .float(let number) where number.isFinite: return number
    default: throw bad(key, "is not a finite number")
    }
  }

  /// A number above zero.
  func optionalPositive(_ key: String) throws(ModelError) -> Double? {
    guard let number = try optionalFloat(key) else { return nil }
    guard number > 0, number < 1e18 else { throw bad(key, "is \(number), not above 0") }
    return number
  }

  func optionalBool(_ key: String) throws(ModelError) -> Bool? {
    switch value(key) {
    case nil: return nil
    case .bool(let flag): return flag
    default: throw bad(key, "is neither true nor false")
    }
  }

  func optionalString(_ key: String) throws(ModelError) -> String? {
    switch value(key) {
    case nil: return nil
    case .string(let text): return text
    default: throw bad(key, "is not a string")
    }
  }

  func missing(_ key: String) -> ModelError { .missingSetting(file: file, key: key) }

  func bad(_ key: String, _ problem: String) -> ModelError {
    .badSetting(file: file, key: key, problem: problem + "; use another model file")
  }
}

/// Limits on settings: far above any published model, far below what would exhaust memory.
enum SettingLimits {
  static let layers = 1...1024
  static let width = 1...1_048_576
  static let heads = 1...4096
  static let experts = 1...4096
  static let expertsPerToken = 1...64
  static let vocabulary = 1...16_777_216
  static let context = 1...1_073_741_824
}
