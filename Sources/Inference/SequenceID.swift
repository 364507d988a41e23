/// A sequence in the engine; later ones have higher numbers.
package struct SequenceID: Hashable, Comparable, Sendable {
  package let number: UInt64

  package init(number: UInt64) {
    self.number = number
  }

  package static func < (first: SequenceID, second: SequenceID) -> Bool {
    first.number < second.number
  }
}
