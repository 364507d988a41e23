import Foundation

/// Numbers as people read them.
enum Quantity {
  /// Bytes with a decimal unit: `9.7 MB`.
  static func bytes(_ count: Int) -> String {
    scaled(Double(count), ["B", "kB", "MB", "GB", "TB"])
  }

  /// A count with a decimal unit: `8.95 M`.
  static func count(_ count: Int) -> String {
    scaled(Double(count), ["", "k", "M", "B", "T"]).trimmingCharacters(in: .whitespaces)
  }

  /// A time in the unit that suits it: `312 µs`, `4.2 ms`, `1.3 s`.
  static func time(_ duration: Duration) -> String {
    let microseconds = duration / .microseconds(1)
    if microseconds < 1000 { return "\(digits(microseconds, significant: 3)) µs" }
    if microseconds < 1e6 { return "\(digits(microseconds / 1e3, significant: 3)) ms" }
    return "\(digits(microseconds / 1e6, significant: 3)) s"
  }

  /// A rate or another plain number with three significant digits.
  static func number(_ value: Double) -> String { digits(value, significant: 3) }

  private static func scaled(_ value: Double, _ units: [String]) -> String {
    var value = value
    var unit = 0
    while value >= 999.5, unit < units.count - 1 {
      value /= 1000
      unit += 1
    }
    return "\(unit == 0 ? String(Int(value)) : digits(value, significant: 3)) \(units[unit])"
  }

  private static func digits(_ value: Double, significant: Int) -> String {
    guard value.isFinite else { return "–" }
    let magnitude = value == 0 ? 0 : Int(log10(abs(value)).rounded(.down))
    return String(format: "%.\(max(0, significant - 1 - max(magnitude, 0)))f", value)
  }
}
