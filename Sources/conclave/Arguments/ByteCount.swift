import ArgumentParser

/// A size on the command line: `20GiB`, `512MB`, `4096`.
struct ByteCount: ExpressibleByArgument, Equatable {
  let bytes: Int
  /// As it was written.
  let text: String
  private let hasUnit: Bool

  /// Less than this is no memory: a number without a unit that is smaller was meant otherwise.
  private static let leastWithoutUnit = 1 << 20

  /// Whether a number without a unit is large enough to be bytes.
  var isPlausible: Bool { hasUnit || bytes >= Self.leastWithoutUnit }

  /// Fails for a small number without a unit: who writes 12 means gibibytes.
  func checkUnit(_ option: String) throws {
    guard isPlausible else {
      throw ValidationError("\(option) \(text) has no unit; say what it is, such as \(text)GiB")
    }
  }

  /// Nil when the text is not a positive size that fits.
  init?(argument: String) {
    let digits = argument.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
    let unit = argument.dropFirst(digits.count).drop { $0 == " " }.lowercased()
    guard let number = Double(digits), let factor = Self.factors[unit] else { return nil }
    let bytes = (number * factor).rounded()
    guard bytes >= 1, bytes < 0x1p62 else { return nil }
    self.bytes = Int(bytes)
    text = argument
    hasUnit = !unit.isEmpty
  }

  private static let factors: [String: Double] = [
    "": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12, "k": 0x1p10, "kib": 0x1p10,
    "m": 0x1p20, "mib": 0x1p20, "g": 0x1p30, "gib": 0x1p30, "t": 0x1p40, "tib": 0x1p40,
  ]
}

/// Sizes on the command line, separated by commas: `1KiB,64KiB`.
struct ByteCountList: ExpressibleByArgument, CustomStringConvertible {
  let values: [Int]

  init(values: [Int]) { self.values = values }

  init?(argument: String) {
    let parts = argument.split(separator: ",")
    let values = parts.compactMap { ByteCount(argument: String($0))?.bytes }
    guard !values.isEmpty, values.count == parts.count, values.allSatisfy({ $0 <= 64 << 20 }) else {
      return nil
    }
    self.values = values
  }

  var description: String { values.map(String.init).joined(separator: ",") }
}
