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
