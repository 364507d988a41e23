/// What the pre-tokenizers' expressions need to know about one Unicode scalar.
package struct ScalarClass: OptionSet, Sendable {
  package let rawValue: UInt32

  package init(rawValue: UInt32) { self.rawValue = rawValue }

  // General categories.
  package static let upper = ScalarClass(rawValue: 1 << 0)  // Lu, Lt
  package static let lower = ScalarClass(rawValue: 1 << 1)  // Ll
  package static let otherLetter = ScalarClass(rawValue: 1 << 2)  // Lm, Lo
  package static let mark = ScalarClass(rawValue: 1 << 3)
  package static let number = ScalarClass(rawValue: 1 << 4)
  package static let punctuation = ScalarClass(rawValue: 1 << 5)
  package static let symbol = ScalarClass(rawValue: 1 << 6)
  package static let letter: ScalarClass = [.upper, .lower, .otherLetter]

  // Properties and single scalars.
  package static let whitespace = ScalarClass(rawValue: 1 << 7)  // White_Space
  package static let newline = ScalarClass(rawValue: 1 << 8)  // CR, LF
  package static let space = ScalarClass(rawValue: 1 << 9)  // U+0020
  package static let han = ScalarClass(rawValue: 1 << 10)  // Script=Han
  package static let asciiLetter = ScalarClass(rawValue: 1 << 11)
  package static let asciiPunctuation = ScalarClass(rawValue: 1 << 12)

  // Sets written out in the expressions.
  package static let casedLetter = ScalarClass(rawValue: 1 << 13)  // deepseek-llm, expression 2
  package static let widePunctuation = ScalarClass(rawValue: 1 << 14)  // deepseek-llm, expression 3
  package static let eastAsian = ScalarClass(rawValue: 1 << 15)  // deepseek-llm, expression 5
  package static let hanOrKana = ScalarClass(rawValue: 1 << 16)  // deepseek-v3, expression 2
}

/// The class of every scalar, in blocks of 256 that share equal contents.
package struct ScalarClasses: Sendable {
  /// The one table, made at first use.
  package static let table = ScalarClasses()

  private let blocks: [UInt16]  // (0x1100): where a block starts in `classes`, in blocks
  private let classes: [ScalarClass]

  /// The class of a scalar value; empty beyond the last scalar.
  @inline(__always)
  package subscript(scalar: UInt32) -> ScalarClass {
    let block = Int(scalar >> 8)
    guard block < blocks.count else { return [] }
    return classes[Int(blocks[block]) << 8 | Int(scalar & 0xFF)]
  }

  private init() {
    let flat = Self.everyScalar()
    var blocks: [UInt16] = []
    var classes: [ScalarClass] = []
    var known: [[UInt32]: UInt16] = [:]
    for start in stride(from: 0, to: flat.count, by: 256) {
      let block = flat[start..<start + 256].map(\.rawValue)
      let number = known[block] ?? UInt16(known.count)
      if Int(number) == known.count {
        known[block] = number
        classes += flat[start..<start + 256]
      }
      blocks.append(number)
    }
    self.blocks = blocks
    self.classes = classes
  }

  private static func everyScalar() -> [ScalarClass] {
    var flat: [ScalarClass] = []
    flat.reserveCapacity(0x110000)
    for run in GeneralCategories.parsed() {
      flat.append(contentsOf: repeatElement(run.category, count: run.count))
    }
    precondition(flat.count == 0x110000, "the category table covers every scalar")
    for (scalarClass, ranges) in ScalarRanges.all {
      for range in ranges {
        for value in range { flat[Int(value)].insert(scalarClass) }
      }
    }
    for value in 0x21..<0x7F where flat[value].isDisjoint(with: [.letter, .number]) {
      flat[value].insert(.asciiPunctuation)
    }
    return flat
  }
}

extension GeneralCategories {
  /// The runs as classes and lengths.
  fileprivate static func parsed() -> [(category: ScalarClass, count: Int)] {
    var parsed: [(category: ScalarClass, count: Int)] = []
    var count = 0
    var category: ScalarClass?
    for byte in "\(runs)".utf8 {
      if let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 0x41 || byte > 0x5A {
        count = count << 4 | digit
        continue
      }
      if let category { parsed.append((category, max(count, 1))) }
      (category, count) = (scalarClass(byte), 0)
    }
    if let category { parsed.append((category, max(count, 1))) }
    return parsed
  }

  private static func scalarClass(_ letter: UInt8) -> ScalarClass {
    switch Unicode.Scalar(letter) {
    case "U": .upper
    case "L": .lower
    case "O": .otherLetter
    case "M": .mark
    case "N": .number
    case "P": .punctuation
    case "S": .symbol
    default: []
    }
  }
}
