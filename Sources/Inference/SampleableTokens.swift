/// The token ids that a model may answer with: all but place holders and padding.
public struct SampleableTokens: Sendable, Equatable {
  /// How many logits the model gives.
  public let vocabularySize: Int
  /// Ascending ranges of the ids that may be drawn.
  public let ranges: [Range<Int>]

  /// Allows every id below `vocabularySize` for which `isExcluded` is false.
  public init(vocabularySize: Int, excluding isExcluded: (Int) -> Bool = { _ in false }) {
    self.vocabularySize = vocabularySize
    var ranges: [Range<Int>] = []
    var start: Int?
    for id in 0..<vocabularySize {
      if isExcluded(id) {
        if let first = start { ranges.append(first..<id) }
        start = nil
      } else if start == nil {
        start = id
      }
    }
    if let first = start { ranges.append(first..<vocabularySize) }
    self.ranges = ranges
  }
}

extension SampleableTokens {
  /// The id of the highest logit, the lowest id on ties; nil when none is above minus infinity.
  ///
  /// What is not a number counts as minus infinity. Reads every logit once, 16 at a time.
  package func highest(of logits: Span<Float>) -> Int? {
    precondition(logits.count == vocabularySize)
    let bytes = unsafe logits.bytes
    var peak = -Float.infinity
    for range in ranges {
      var id = range.lowerBound
      var lanes = SIMD16<Float>(repeating: peak)
      while id + 16 <= range.upperBound {
        let values = unsafe bytes.unsafeLoadUnaligned(
          fromByteOffset: 4 * id, as: SIMD16<Float>.self)
        lanes.replace(with: values, where: values .> lanes)
        id += 16
      }
      peak = lanes.max()
      while id < range.upperBound {
        if logits[id] > peak { peak = logits[id] }
        id += 1
      }
    }
    guard peak > -.infinity else { return nil }
    // Infinite and largest logits are one: they tie.
    let threshold = min(peak, .greatestFiniteMagnitude)
    for range in ranges {
      for id in range where logits[id] >= threshold { return id }
    }
    return nil
  }
}
