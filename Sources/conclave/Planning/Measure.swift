import Foundation

/// A number with a unit, as hosts files have it: `48 GB/s`, `0.5 ms`, `1 Gbit/s`.
struct Measure {
  /// In the base unit of its kind.
  let value: Double

  /// What a measure is of: units and what they are worth.
  enum Kind: String {
    case bandwidth
    case duration
    case rate

    fileprivate var units: [String: Double] {
      switch self {
      case .bandwidth:
        [
          "kb/s": 1e3, "mb/s": 1e6, "gb/s": 1e9, "kib/s": 0x1p10, "mib/s": 0x1p20,
          "gib/s": 0x1p30, "kbit/s": 125, "mbit/s": 125e3, "gbit/s": 125e6, "b/s": 1,
        ]
      case .duration: ["ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1]
      case .rate: ["m/s": 1e6, "g/s": 1e9, "t/s": 1e12]
      }
    }

    /// An example for messages.
    var example: String {
      switch self {
      case .bandwidth: "48 GB/s or 1 Gbit/s"
      case .duration: "0.5 ms or 80 us"
      case .rate: "500 G/s"
      }
    }
  }

  /// Nil unless the text is a number of 0 or more and a unit of that kind.
  init?(_ text: String, of kind: Kind) {
    let digits = text.prefix { $0.isASCII && ($0.isNumber || ".eE+-".contains($0)) }
    // An e that belongs to no exponent is the start of a unit; no unit here starts with one.
    let unit = text.dropFirst(digits.count).drop { $0 == " " }.lowercased()
    guard let number = Double(digits), number.isFinite, number >= 0,
      let factor = kind.units[unit]
    else { return nil }
    value = number * factor
    guard value.isFinite, value < 1e18 else { return nil }
  }
}
