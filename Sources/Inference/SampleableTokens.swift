import Kernels

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
  /// What is not a number counts as minus infinity.
  package func highest(of logits: Span<Float>) -> Int? {
    precondition(logits.count == vocabularySize)
    let kernels = LogitKernels.best
    var peak = -Float.infinity
    for range in ranges { peak = max(peak, kernels.maximum(logits.extracting(range))) }
    guard peak > -.infinity else { return nil }
    // Infinite and largest logits are one: they tie.
    let limit = min(peak, .greatestFiniteMagnitude)
    for range in ranges {
      if let index = kernels.firstIndex(of: logits.extracting(range), atLeast: limit) {
        return range.lowerBound + index
      }
    }
    return nil
  }
}
