public import Experts

/// The index frame of a dispatch: which row goes to which expert with which weight.
///
/// Layout: entryCount × uint16 row, entryCount × uint16 expert, entryCount × float32 weight.
public enum DispatchIndex {
  /// Bytes of the frame.
  public static func byteCount(entryCount: Int) -> Int { entryCount * 8 }

  /// Writes `entries`, whose rows and experts are below 65536, into a frame of `byteCount`.
  public static func write(_ entries: Span<RoutedEntry>, into frame: inout MutableRawSpan) {
    let count = entries.count
    precondition(frame.byteCount == byteCount(entryCount: count))
    for index in 0..<count {
      let entry = entries[index]
      frame.store(UInt16(truncatingIfNeeded: entry.row), at: 2 * index)
      frame.store(UInt16(truncatingIfNeeded: entry.expert), at: 2 * (count + index))
      frame.store(entry.weight.bitPattern, at: 4 * (count + index))
    }
  }

  /// Replaces `entries` by those of a frame.
  ///
  /// - Throws: `WireError` unless the frame has the length that `header` says, rows ascend without a
  ///   gap from 0 to its row count, experts ascend within a row and exist, a row has at most
  ///   `expertsPerToken`, and weights are finite. Where workers have shared experts (`hasShared`) a row
  ///   may name one expert more, the one after all others, with weight 1.
  public static func read(
    _ frame: RawSpan, header: DispatchHeader, shape: ExpertShape,
    hasShared: Bool = false, into entries: inout [RoutedEntry]
  ) throws(WireError) {
    let checks = FieldChecks(message: "Dispatch")
    let count = header.entryCount
    try checks.require(
      frame.byteCount == byteCount(entryCount: count),
      "an index of \(frame.byteCount) bytes does not hold \(count) entries")
    entries.removeAll(keepingCapacity: true)
    for index in 0..<count {
      entries.append(
        RoutedEntry(
          row: Int32(frame.load(UInt16.self, at: 2 * index)),
          expert: Int32(frame.load(UInt16.self, at: 2 * (count + index))),
          weight: Float(bitPattern: frame.load(UInt32.self, at: 4 * (count + index)))))
    }
    try check(entries, checks, rowCount: header.rowCount, shape: shape, hasShared)
  }

  private static func check(
    _ entries: [RoutedEntry], _ checks: FieldChecks, rowCount: Int, shape: ExpertShape,
    _ hasShared: Bool
  ) throws(WireError) {
    let limit = shape.expertsPerToken + (hasShared ? 1 : 0)
    let expertCount = shape.expertCount + (hasShared ? 1 : 0)
    var (row, expert, inRow) = (-1, -1, 0)
    for entry in entries {
      let next = (row: Int(entry.row), expert: Int(entry.expert))
      if next.row == row {
        inRow += 1
        try checks.require(
          next.expert > expert && inRow <= limit,
          "row \(row) names experts out of order, twice, or more than \(limit)")
      } else {
        try checks.require(next.row == row + 1, "row \(row + 1) is missing from the index")
        inRow = 1
      }
      (row, expert) = next
      try checks.require(
        expert < expertCount, "expert \(expert) is not below \(expertCount)")
      try checks.require(entry.weight.isFinite, "a weight of row \(row) is not finite")
      try checks.require(
        expert < shape.expertCount || entry.weight == 1,
        "the shared experts of row \(row) have a weight")
    }
    try checks.require(row == rowCount - 1, "row \(rowCount - 1) is missing from the index")
  }
}
