/// A regular expression of a schema, as text that it reads.
indirect enum Pattern: Hashable {
  /// One character of a set.
  case one(ScalarSet)
  /// One after another.
  case sequence([Pattern])
  /// One of several.
  case choice([Pattern])
  /// At least and at most so many times; nil: without end.
  case repeated(Pattern, least: Int, most: Int?)
  /// Nothing, where the text begins.
  case start
  /// Nothing, where the text ends.
  case end
}

/// Unicode scalars, as ascending ranges that do not touch.
struct ScalarSet: Hashable {
  let ranges: [ClosedRange<UInt32>]

  /// The scalars of the ranges, which may overlap; surrogates are none.
  init(_ ranges: [ClosedRange<UInt32>]) {
    var joined: [ClosedRange<UInt32>] = []
    let parts = ranges.flatMap(Self.withoutSurrogates)
    for range in parts.sorted(by: { $0.lowerBound < $1.lowerBound }) {
      if let last = joined.last, range.lowerBound <= last.upperBound + 1 {
        joined[joined.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
      } else {
        joined.append(range)
      }
    }
    self.ranges = joined
  }

  init(_ scalar: Unicode.Scalar) { ranges = [scalar.value...scalar.value] }

  private static func withoutSurrogates(_ range: ClosedRange<UInt32>) -> [ClosedRange<UInt32>] {
    [0...0xD7FF, 0xE000...0x10FFFF].compactMap { part in
      part.overlaps(range) ? range.clamped(to: part) : nil
    }
  }

  /// What a text may hold that nothing more is said about: control characters other than white
  /// space are of no use in an answer.
  static let text = ScalarSet([0x09...0x0A, 0x0D...0x0D, 0x20...0x10FFFF])

  /// The scalars of `text` that are not in this set.
  var complement: ScalarSet {
    var rest: [ClosedRange<UInt32>] = []
    for range in Self.text.ranges {
      var next = range.lowerBound
      for taken in ranges where taken.overlaps(range) {
        if taken.lowerBound > next { rest.append(next...(taken.lowerBound - 1)) }
        next = taken.upperBound + 1
      }
      if next <= range.upperBound { rest.append(next...range.upperBound) }
    }
    return ScalarSet(rest)
  }

  // Classes as ECMA-262 defines them.
  static let digits = ScalarSet([0x30...0x39])
  static let word = ScalarSet([0x30...0x39, 0x41...0x5A, 0x5F...0x5F, 0x61...0x7A])
  static let space = ScalarSet([
    0x09...0x0D, 0x20...0x20, 0xA0...0xA0, 0x1680...0x1680, 0x2000...0x200A, 0x2028...0x2029,
    0x202F...0x202F, 0x205F...0x205F, 0x3000...0x3000, 0xFEFF...0xFEFF,
  ])
  static let lineEnds = ScalarSet([0x0A...0x0A, 0x0D...0x0D, 0x2028...0x2029])
}
