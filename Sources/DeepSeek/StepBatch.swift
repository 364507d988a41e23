/// The rows of one step: tokens of any mix of sequences, each at its position.
public struct StepBatch {
  /// One token at one position of one sequence.
  struct Row {
    let token: Int32
    let position: Int
    let sequence: Int  // of `caches`
  }

  /// Which rows' logits a sequence wants.
  public enum WantedLogits: Sendable {
    /// Of none: a part of a prompt that is not its end.
    case none
    /// Of the last row.
    case last
    /// Of every row.
    case all
  }

  private(set) var rows: [Row] = []
  private(set) var caches: [KVCache] = []
  /// Rows of each sequence.
  private(set) var rowCounts: [Int] = []
  /// Rows whose logits are wanted, ascending.
  private(set) var wantedRows: [Int32] = []

  /// Creates an empty step.
  public init() {}

  /// Tokens in the step.
  public var rowCount: Int { rows.count }
  /// Rows of logits that the step yields.
  public var wantedCount: Int { wantedRows.count }

  /// Adds the tokens that follow what `cache` holds.
  ///
  /// - Parameters:
  ///   - tokens: consecutive tokens of one sequence.
  ///   - cache: the sequence so far; a sequence may be added once per step.
  ///   - wanted: which rows' logits to compute; they come out in the order of the rows.
  public mutating func append(
    _ tokens: Span<Int32>, to cache: KVCache, wanted: WantedLogits = .last
  ) {
    precondition(!caches.contains { $0 === cache }, "a sequence may be added once per step")
    for index in 0..<tokens.count {
      let wants = wanted == .all || (wanted == .last && index == tokens.count - 1)
      if wants { wantedRows.append(Int32(rows.count)) }
      rows.append(
        Row(token: tokens[index], position: cache.length + index, sequence: caches.count))
    }
    caches.append(cache)
    rowCounts.append(tokens.count)
  }

  /// Becomes some rows of another step, with its caches and without copying more than the rows.
  ///
  /// `rowCounts` stays empty: the whole step begins and commits its caches.
  mutating func take(_ range: Range<Int>, of other: StepBatch) {
    drop()
    rows.append(contentsOf: other.rows[range])
    caches = other.caches
    for row in other.wantedRows where range.contains(Int(row)) {
      wantedRows.append(row - Int32(range.lowerBound))
    }
  }

  /// Lets go of what `take` shares with the other step, and keeps the memory of the rows.
  mutating func drop() {
    rows.removeAll(keepingCapacity: true)
    wantedRows.removeAll(keepingCapacity: true)
    caches = []
  }

  /// Empties the step and keeps its memory.
  public mutating func removeAll() {
    rows.removeAll(keepingCapacity: true)
    caches.removeAll(keepingCapacity: true)
    rowCounts.removeAll(keepingCapacity: true)
    wantedRows.removeAll(keepingCapacity: true)
  }
}
