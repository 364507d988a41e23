extension ExpertGeometry {
  /// Checks entries that came over the wire and counts the partial sums that they ask for.
  ///
  /// - Parameters:
  ///   - entries: Entries that should ascend by (row, expert).
  ///   - rowCount: Rows of activations that came with them.
  ///   - layer: The layer that they are for.
  ///   - bank: Where the experts should be.
  /// - Throws: `ExpertError` of kind `batch` or `group` that names the first wrong entry.
  public func validate(
    _ entries: Span<RoutedEntry>, rowCount: Int, layer: LayerIndex, in bank: ExpertBank
  ) throws(ExpertError) {
    guard shape.contains(layer) else {
      throw ExpertError(.batch, "layer \(layer) has no routed experts; the sender is broken")
    }
    for index in entries.indices {
      let entry = entries[index]
      guard entry.row >= 0, entry.row < rowCount, entry.expert >= 0,
        entry.expert < placedExpertCount
      else { throw wrongEntry(index, "row \(entry.row), expert \(entry.expert) does not exist") }
      if index > 0 {
        let last = entries[index - 1]
        guard (last.row, last.expert) < (entry.row, entry.expert) else {
          throw wrongEntry(index, "it does not ascend by row and expert")
        }
      }
      let group = group(of: ExpertID(Int(entry.expert)))
      guard bank.holds(layer, group) else {
        throw ExpertError(
          .group, "layer \(layer), group \(group) is not held here; load it or ask its holder")
      }
    }
  }

  /// Partial sums, one per (row, group), that sorted `entries` ask for, shared experts' included.
  public func partialCount(_ entries: Span<RoutedEntry>) -> Int {
    var count = 0
    var last = PartialKey(row: -1, group: -1)
    for index in entries.indices {
      let key = partialKey(entries[index])
      if key != last { count += 1 }
      last = key
    }
    return count
  }

  func partialKey(_ entry: RoutedEntry) -> PartialKey {
    let group = group(of: ExpertID(Int(entry.expert)))
    return PartialKey(row: entry.row, group: Int32(group.rawValue))
  }

  private func wrongEntry(_ index: Int, _ problem: String) -> ExpertError {
    ExpertError(.batch, "routed entry \(index): \(problem); the sender is broken")
  }
}
