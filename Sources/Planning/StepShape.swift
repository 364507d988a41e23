/// What one engine step consists of, as far as its cost depends on it.
public struct StepShape: Sendable, Hashable {
  /// Tokens that are run.
  public var rowCount: Int
  /// Tokens whose logits are wanted.
  public var logitRowCount: Int
  /// Positions that all rows attend to, added up.
  public var attendedPositionCount: Int
  /// Positions of all sequences, added up: what attention reads at least.
  public var cachedPositionCount: Int

  /// A step of those sizes.
  public init(
    rowCount: Int, logitRowCount: Int, attendedPositionCount: Int, cachedPositionCount: Int
  ) {
    self.rowCount = rowCount
    self.logitRowCount = logitRowCount
    self.attendedPositionCount = attendedPositionCount
    self.cachedPositionCount = cachedPositionCount
  }

  /// One token of each of `sequences` sequences after `length` others.
  public static func decode(sequences: Int, after length: Int) -> StepShape {
    StepShape(
      rowCount: sequences, logitRowCount: sequences,
      attendedPositionCount: sequences * (length + 1), cachedPositionCount: sequences * (length + 1)
    )
  }

  /// `count` tokens of one prompt after `start` others; the last ones of it if `isLast`.
  public static func prefill(_ count: Int, after start: Int, isLast: Bool) -> StepShape {
    StepShape(
      rowCount: count, logitRowCount: isLast ? 1 : 0,
      attendedPositionCount: count * start + count * (count + 1) / 2,
      cachedPositionCount: start + count)
  }

  /// Both in one step.
  public static func + (a: StepShape, b: StepShape) -> StepShape {
    StepShape(
      rowCount: a.rowCount + b.rowCount, logitRowCount: a.logitRowCount + b.logitRowCount,
      attendedPositionCount: a.attendedPositionCount + b.attendedPositionCount,
      cachedPositionCount: a.cachedPositionCount + b.cachedPositionCount)
  }
}
