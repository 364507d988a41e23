/// A sequence in the engine; later ones have higher numbers.
struct SequenceID: Hashable, Comparable, Sendable {
  let number: UInt64

  static func < (first: SequenceID, second: SequenceID) -> Bool { first.number < second.number }
}
