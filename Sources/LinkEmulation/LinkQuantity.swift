/// Times, rates and shares as people write them.
public enum LinkQuantity {
  /// Nanoseconds of a time with its unit, `250us`; nil when it is none, or longer than a day.
  public static func nanoseconds(_ text: some StringProtocol) -> UInt64? {
    scaled(text, times, in: 0...86_400e9).map { UInt64($0) }
  }

  /// Bytes per second of a rate with its unit, `1Gbit/s` or `120MB/s`; nil when it is none.
  public static func bytesPerSecond(_ text: some StringProtocol) -> Double? {
    scaled(text.hasSuffix("/s") ? text.dropLast(2) : text.dropLast(0), rates, in: 1...1e12)
  }

  /// A share from 0 to 1: `1%`, `0.01`, `1e-6`; nil when it is none.
  public static func share(_ text: some StringProtocol) -> Double? {
    let isPercent = text.hasSuffix("%")
    guard let number = Double(isPercent ? text.dropLast().description : text.description) else {
      return nil
    }
    let share = isPercent ? number / 100 : number
    return (0...1).contains(share) ? share : nil
  }

  private static let times: [String: Double] = [
    "ns": 1, "us": 1e3, "µs": 1e3, "ms": 1e6, "s": 1e9, "min": 60e9,
  ]

  private static let rates: [String: Double] = [
    "bit": 0.125, "kbit": 125, "mbit": 125e3, "gbit": 125e6, "kbps": 125, "mbps": 125e3,
    "gbps": 125e6, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9,
  ]

  private static func scaled(
    _ text: some StringProtocol, _ units: [String: Double], in range: ClosedRange<Double>
  ) -> Double? {
    let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
    let unit = text.dropFirst(digits.count).lowercased()
    guard let number = Double(digits.description), let factor = units[unit] else { return nil }
    let value = (number * factor).rounded()
    return range.contains(value) ? value : nil
  }
}
